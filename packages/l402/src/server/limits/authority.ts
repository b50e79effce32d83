/** How often something may happen: a token bucket. */
export interface Allowance {
  /** How many per `windowMs`; at least 1. */
  readonly requests: number
  /** Milliseconds; above 0. */
  readonly windowMs: number
  /** Most at once; at least 1. */
  readonly burst: number
}

/** One more of something that is limited. Holds no secret, and can be sent to another process as it is. */
export interface LimitAsk {
  /** Names the rule; its keys are counted apart from those of other rules. */
  readonly rule: string
  /** Whose: a token id, a client prefix, or empty for everybody's together. */
  readonly key: string
  readonly allowance: Allowance
}

/**
 * Counts what is limited. One for all gates of a program, so that a reload forgets nothing; a program of several processes
 * puts it into one of them.
 */
export interface LimitAuthority {
  /**
   * Counts one for each of these, or none at all: 0, or the milliseconds until one may come again. Synchronous where nothing
   * has to be waited for.
   */
  take(asks: readonly LimitAsk[]): number | Promise<number>
  /** Takes these back: what they were for did not happen. Never throws. */
  giveBack(asks: readonly LimitAsk[]): void
}

/**
 * Checks an allowance.
 *
 * @throws RangeError
 */
export function checkAllowance(what: string, { requests, windowMs, burst }: Allowance): void {
  if (!(requests >= 1) || !(windowMs > 0) || !Number.isFinite(requests) || !Number.isFinite(windowMs))
    throw new RangeError(
      `invalid ${what}: expected at least 1 per some seconds, got ${requests}/${windowMs / 1000}s`,
    )
  if (!(burst >= 1) || !Number.isFinite(burst))
    throw new RangeError(`invalid ${what}: expected a burst of at least 1, got ${burst}`)
}
