import { malformed } from './malformed.ts'
import { type Words, wordsToBytes, wordsToInteger } from './words.ts'

/** The tagged fields of an invoice, by type, each type in the order of the text. */
export type Fields = ReadonlyMap<number, readonly Words[]>

const LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

/** Splits the data between timestamp and signature into its tagged fields. */
export function readFields(words: Words): Fields {
  const fields = new Map<number, Words[]>()
  let at = 0
  while (at < words.length) {
    if (words.length - at < 3) throw malformed('type and length of a field', `${words.length - at} words`)
    const [type, high, low] = words.slice(at, at + 3) as [number, number, number]
    const length = high * 32 + low
    at += 3
    if (words.length - at < length) {
      throw malformed(`${length} words in field ${LETTERS[type]}`, `${words.length - at}`)
    }
    const list = fields.get(type)
    const value = words.slice(at, at + length)
    if (list === undefined) fields.set(type, [value])
    else list.push(value)
    at += length
  }
  return fields
}

/** All fields of one type. */
export function allOf(fields: Fields, type: number): readonly Words[] {
  return fields.get(type) ?? []
}

/**
 * Bytes of the first field of a type; with `length`, fields of any other number of words are skipped (BOLT 11:
 * they may be a later version of the field). Of several, the first is the payee's most preferred.
 */
export function bytesOf(fields: Fields, type: number, length?: number): Uint8Array | null {
  const words = allOf(fields, type).find((value) => length === undefined || value.length === length)
  if (words === undefined) return null
  const bytes = wordsToBytes(words)
  if (bytes === undefined) throw malformed(`zero bits as padding of field ${LETTERS[type]}`, 'others')
  return bytes
}

/** Words of the first field of a type that BOLT 11 wants without leading zeros. */
export function minimalOf(fields: Fields, type: number): Words | null {
  const words = allOf(fields, type)[0]
  if (words?.[0] === 0) throw malformed(`no leading zeros in field ${LETTERS[type]}`, 'some')
  return words ?? null
}

/** The number in the first field of a type; `otherwise` where there is none. */
export function integerOf(fields: Fields, type: number, otherwise: number): number {
  const words = minimalOf(fields, type)
  if (words === null) return otherwise
  // 40 bits are 34,000 years of seconds: any moment an invoice names is one that a Date can hold.
  if (words.length > 8) throw malformed(`at most 8 words in field ${LETTERS[type]}`, `${words.length}`)
  return wordsToInteger(words)
}
