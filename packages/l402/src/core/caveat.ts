import { decodeUtf8, encodeUtf8 } from './bytes.ts'

/** A caveat's text, read (protocol §3). */
export interface Caveat {
  readonly condition: string
  readonly value: string
}

/**
 * Splits `condition=value` at the first `=`, never trimming (protocol §3); `undefined` for a caveat that is not UTF-8
 * or has no `=`, which is an unknown one.
 */
export function parseCaveat(id: Uint8Array): Caveat | undefined {
  const text = decodeUtf8(id)
  if (text === undefined) return undefined
  const at = text.indexOf('=')
  return at < 0 ? undefined : { condition: text.slice(0, at), value: text.slice(at + 1) }
}

/** `condition=value`. Throws `RangeError` for a condition that is empty or holds `=`. */
export function formatCaveat(condition: string, value: string): string {
  if (condition === '' || condition.includes('=')) {
    throw new RangeError('invalid caveat: expected a condition without "=", of at least one character')
  }
  return `${condition}=${value}`
}

/** Half of a surrogate pair: it has no UTF-8 and would be signed as another character. */
const LONE_SURROGATE = /\p{Cs}/u

/** The bytes of a caveat's text. Throws `RangeError` unless {@link parseCaveat} reads the same text back. */
export function encodeCaveat(text: string): Uint8Array {
  if (text.indexOf('=') < 1) throw new RangeError('invalid caveat: expected condition=value')
  if (LONE_SURROGATE.test(text)) throw new RangeError('invalid caveat: expected text of whole characters')
  return encodeUtf8(text)
}
