import { malformed } from './malformed.ts'
import type { Words } from './words.ts'

const PAYMENT_SECRET = 14
const BASIC_MPP = 16

// BOLT 9's features of invoices (context 9), by their even bit: onion, payment secret, multi-part, blinded routes,
// attribution data, payment metadata. The wallet that pays knows which of them it can do.
const KNOWN: ReadonlySet<number> = new Set([8, PAYMENT_SECRET, BASIC_MPP, 24, 36, 48])

/** Numbers of the bits set in a `9` field, ascending. */
export function decodeFeatures(words: Words): readonly number[] {
  const bits: number[] = []
  for (let i = words.length - 1; i >= 0; i--) {
    const word = words[i] as number
    for (let bit = 0; bit < 5; bit++) {
      if (((word >> bit) & 1) === 1) bits.push((words.length - 1 - i) * 5 + bit)
    }
  }
  return bits
}

/** The shortest `9` field that sets the bits. */
export function encodeFeatures(bits: readonly number[]): number[] {
  const words: number[] = new Array(bits.length === 0 ? 0 : Math.floor(Math.max(...bits) / 5) + 1).fill(0)
  for (const bit of bits) {
    if (!Number.isInteger(bit) || bit < 0 || bit >= 1023 * 5) {
      throw new RangeError('a feature bit must be a whole number from 0 to 5114')
    }
    const at = words.length - 1 - Math.floor(bit / 5)
    words[at] = (words[at] as number) | (1 << (bit % 5))
  }
  return words
}

/** BOLT 11: an unknown even bit, or a feature without the one it depends on (BOLT 9), is not paid. */
export function checkFeatures(bits: readonly number[]): void {
  const unknown = bits.find((bit) => bit % 2 === 0 && !KNOWN.has(bit))
  if (unknown !== undefined)
    throw malformed('required features of BOLT 9 only', `required feature ${unknown}`)
  const has = (feature: number): boolean => bits.includes(feature) || bits.includes(feature + 1)
  if (has(BASIC_MPP) && !has(PAYMENT_SECRET)) {
    throw malformed('feature basic_mpp together with payment_secret', 'basic_mpp alone')
  }
}
