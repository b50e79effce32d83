/** Rule S10: how many challenges a client prefix may cause. */
export interface ChallengeLimitOptions {
  /** Challenges per `perSeconds` and client prefix (IPv4 /24, IPv6 /48), also the most in one burst. */
  readonly limit: number
  readonly perSeconds: number
  /** Whether an address is exempt. */
  readonly exempt?: (clientAddress: string) => boolean
  /** Counts in place of this process, where several processes share the limit. */
  readonly authority?: ChallengeAuthority
}

/** Counts the challenges of several processes. */
export interface ChallengeAuthority {
  /**
   * 0 when a challenge may be made now (and counts it), else the seconds until one may. Throws an `L402Error` when it cannot
   * say: then none is made.
   */
  take(prefix: string): Promise<number>
}

/** Counts challenges per client prefix. */
export interface ChallengeLimit {
  /** 0 when a challenge may be made now (and counts it), else the seconds until one may. */
  take(prefix: string): number
}

// Enough prefixes for a large attack to have to rotate, few enough to cost some 10 MB at most.
const MAX_PREFIXES = 65_536

interface Bucket {
  tokens: number
  atMs: number
}

/**
 * A token bucket per prefix, in bounded memory: when there are too many prefixes, the ones used longest ago are
 * forgotten, which can only let somebody through earlier.
 */
export function challengeLimit(options: ChallengeLimitOptions, now: () => number): ChallengeLimit {
  const { limit, perSeconds } = options
  if (!(limit >= 1) || !(perSeconds > 0))
    throw new RangeError(
      `invalid challenge limit: expected at least 1 per some seconds, got ${limit}/${perSeconds}s`,
    )
  const perMs = limit / (perSeconds * 1000)
  const buckets = new Map<string, Bucket>()

  return {
    take(prefix) {
      const atMs = now()
      const known = buckets.get(prefix)
      // A clock that was set back takes nothing away.
      const elapsedMs = known === undefined ? 0 : Math.max(0, atMs - known.atMs)
      const tokens = known === undefined ? limit : Math.min(limit, known.tokens + elapsedMs * perMs)
      const allowed = tokens >= 1
      buckets.delete(prefix)
      buckets.set(prefix, { tokens: allowed ? tokens - 1 : tokens, atMs })
      if (buckets.size > MAX_PREFIXES) {
        const [oldest] = buckets.keys()
        if (oldest !== undefined) buckets.delete(oldest)
      }
      return allowed ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs / 1000))
    },
  }
}
