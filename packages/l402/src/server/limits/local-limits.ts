import type { Allowance, LimitAsk, LimitAuthority } from './authority.ts'

/** What limits in this process may be made with. */
export interface LocalLimitsOptions {
  /** Milliseconds since 1970; `Date.now` if left out. */
  readonly now?: () => number
  /** Most keys of one rule that are remembered, some 150 bytes each; 65,536 if left out. */
  readonly keysPerRule?: number
}

/** Limits that are counted in this process. */
export interface LocalLimits extends LimitAuthority {
  take(asks: readonly LimitAsk[]): number
  /** How many keys are remembered, of all rules together. */
  readonly size: number
}

interface Bucket {
  tokens: number
  atMs: number
  /** Whether it was asked for since it was last passed over. */
  used: boolean
}

/** Rules come and go with configurations; more than this many at once are those of older ones. */
const MAX_RULES = 4_096
/** How many keys in use are passed over before one is forgotten all the same. */
const MOST_PASSED_OVER = 8

/**
 * A token bucket per key, in bounded memory: of too many, one not used of late is forgotten, which can only let somebody
 * through earlier. A key that is known costs one look-up.
 *
 * @throws RangeError for options out of range.
 */
export function localLimits({ now = Date.now, keysPerRule = 65_536 }: LocalLimitsOptions = {}): LocalLimits {
  if (!Number.isSafeInteger(keysPerRule) || keysPerRule < 1)
    throw new RangeError(`invalid keysPerRule: expected a whole number of at least 1, got ${keysPerRule}`)
  const rules = new Map<string, Map<string, Bucket>>()

  function bucketsOf(rule: string): Map<string, Bucket> {
    let buckets = rules.get(rule)
    if (buckets === undefined) {
      buckets = new Map()
      rules.set(rule, buckets)
      if (rules.size > MAX_RULES) forgetFirst(rules)
    }
    return buckets
  }

  function bucketOf({ rule, key, allowance }: LimitAsk, nowMs: number): Bucket {
    const buckets = bucketsOf(rule)
    const known = buckets.get(key)
    if (known !== undefined) {
      refill(known, allowance, nowMs)
      known.used = true
      return known
    }
    if (buckets.size >= keysPerRule) makeRoom(buckets)
    const fresh = { tokens: allowance.burst, atMs: nowMs, used: false }
    buckets.set(key, fresh)
    return fresh
  }

  return {
    take(asks) {
      const nowMs = now()
      const buckets = asks.map((ask) => bucketOf(ask, nowMs))
      let waitMs = 0
      for (const [index, { tokens }] of buckets.entries()) {
        if (tokens >= 1) continue
        const { requests, windowMs } = (asks[index] as LimitAsk).allowance
        waitMs = Math.max(waitMs, 1, Math.ceil(((1 - tokens) * windowMs) / requests))
      }
      if (waitMs === 0) for (const bucket of buckets) bucket.tokens -= 1
      return waitMs
    },
    giveBack(asks) {
      for (const { rule, key, allowance } of asks) {
        const bucket = rules.get(rule)?.get(key)
        if (bucket !== undefined) bucket.tokens = Math.min(allowance.burst, bucket.tokens + 1)
      }
    },
    get size() {
      let size = 0
      for (const buckets of rules.values()) size += buckets.size
      return size
    },
  }
}

function refill(bucket: Bucket, { requests, windowMs, burst }: Allowance, nowMs: number): void {
  // A clock that was set back takes nothing away.
  const elapsedMs = Math.max(0, nowMs - bucket.atMs)
  bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * requests) / windowMs)
  bucket.atMs = nowMs
}

/** Forgets one key: the one longest there that was not used since it was last passed over. */
function makeRoom(buckets: Map<string, Bucket>): void {
  let passedOver = 0
  for (const [key, bucket] of buckets) {
    buckets.delete(key)
    if (!bucket.used || passedOver === MOST_PASSED_OVER) return
    passedOver++
    bucket.used = false
    buckets.set(key, bucket)
  }
}

function forgetFirst(map: Map<string, unknown>): void {
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}
