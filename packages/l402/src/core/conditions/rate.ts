import { type Refusal, refuse } from '../refusal.ts'
import type { Condition } from './condition.ts'
import { parseDecimal } from './decimal.ts'

/** At most `limit` admitted requests in any `seconds` seconds. */
export interface Rate {
  readonly limit: bigint
  readonly seconds: bigint
}

/**
 * `<service>_rate=N/<seconds>`: a sliding window. A later rate narrows if it admits no more in a window no shorter:
 * then every window of the earlier rate lies in one of the later.
 */
export const rate: Condition<Rate> = {
  expected: 'a number of calls, "/" and at least one second, in decimal digits',
  parse(value) {
    const at = value.indexOf('/')
    if (at < 0) return undefined
    const limit = parseDecimal(value.slice(0, at))
    const seconds = parseDecimal(value.slice(at + 1))
    return limit === undefined || seconds === undefined || seconds === 0n ? undefined : { limit, seconds }
  },
  narrows: (later, earlier) => later.limit <= earlier.limit && later.seconds >= earlier.seconds,
}

/**
 * Decides over one more request at `nowSeconds`, given when the earlier ones were admitted (unix seconds, any order).
 * A time after now, from a clock set back, counts. The refusal says when a repeat can succeed.
 */
export function checkRate(
  rate: Rate,
  admittedAt: readonly number[],
  nowSeconds: number,
  condition: string,
): { readonly ok: true } | Refusal {
  const seconds = Number(rate.seconds)
  const inWindow = admittedAt.filter((at) => nowSeconds - at < seconds).sort((a, b) => b - a)
  if (BigInt(inWindow.length) < rate.limit) return { ok: true }
  // The limit-th newest has to leave the window before there is room; with a limit of 0 there never is.
  const leaving = inWindow[Number(rate.limit) - 1] ?? nowSeconds
  const retryAfterSeconds = Math.max(1, Math.ceil(leaving + seconds - nowSeconds))
  return refuse('over_rate', 'The credential admits fewer requests in this time.', {
    condition,
    retryAfterSeconds,
  })
}
