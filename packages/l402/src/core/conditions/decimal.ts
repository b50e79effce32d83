const MAX = 2n ** 63n - 1n
const DIGITS = /^(?:0|[1-9][0-9]{0,18})$/

/** A decimal integer from 0 to 2^63 - 1 without sign, space, leading zero, exponent or hex (protocol §5). */
export function parseDecimal(text: string): bigint | undefined {
  if (!DIGITS.test(text)) return undefined
  const value = BigInt(text)
  return value <= MAX ? value : undefined
}
