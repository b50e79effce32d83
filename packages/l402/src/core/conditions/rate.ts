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
