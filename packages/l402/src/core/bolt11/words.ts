import { bech32 } from '@scure/base'

/** 5-bit groups, most significant first (BIP-173). */
export type Words = readonly number[]

/** Bytes as words, the last one padded with zero bits. */
export function bytesToWords(bytes: Uint8Array): number[] {
  return bech32.toWords(bytes)
}

/** Words as bytes; `undefined` unless what is left over is a padding of less than 5 bits, all zero. */
export function wordsToBytes(words: Words): Uint8Array | undefined {
  return bech32.fromWordsUnsafe([...words]) ?? undefined
}

/** All bits of the words, with zero bits appended up to the next byte: what BOLT 11 signs. */
export function wordsToPaddedBytes(words: Words): Uint8Array {
  const whole = [...words]
  while (whole.length % 8 !== 0) whole.push(0)
  return bech32.fromWords(whole).subarray(0, Math.ceil((words.length * 5) / 8))
}

/** The number that at most 8 words spell. */
export function wordsToInteger(words: Words): number {
  let value = 0
  for (const word of words) value = value * 32 + word
  return value
}

/** A number as words: as few as it needs (none for 0), or exactly `length`. */
export function integerToWords(value: number, length = 0): number[] {
  const words: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32)
  while (words.length < length) words.unshift(0)
  return words
}
