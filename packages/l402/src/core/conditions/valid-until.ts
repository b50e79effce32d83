import type { Condition } from './condition.ts'
import { parseDecimal } from './decimal.ts'

/** `<service>_valid_until=<unix seconds>`: valid while now < t. */
export const validUntil: Condition<bigint> = {
  expected: 'unix seconds in decimal digits',
  parse: parseDecimal,
  narrows: (later, earlier) => later <= earlier,
}

/** Whether `nowSeconds` is before the end. */
export function isBefore(end: number, nowSeconds: number): boolean {
  return nowSeconds < end
}
