/** Bytes and their texts. Decoders answer `undefined` instead of throwing: hostile text is not a fault. */

const HEX = '0123456789abcdef'
const HEX_OF = Array.from({ length: 256 }, (_, i) => `${HEX[i >> 4]}${HEX[i & 15]}`)

const hexValue = new Int8Array(128).fill(-1)
for (let i = 0; i < 16; i++) {
  hexValue[HEX.charCodeAt(i)] = i
  hexValue[HEX.toUpperCase().charCodeAt(i)] = i
}

/** The value of a character code that is a hex digit, any case, or -1. */
export function hexDigit(code: number): number {
  return hexValue[code] ?? -1
}

/** Lower-case hex. */
export function encodeHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX_OF[byte]
  return text
}

/** Bytes of an even number of hex digits, any case; `undefined` for anything else. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(text.charCodeAt(2 * i))
    const low = hexDigit(text.charCodeAt(2 * i + 1))
    if (high < 0 || low < 0) return undefined
    bytes[i] = (high << 4) | low
  }
  return bytes
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const base64Value = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) base64Value[ALPHABET.charCodeAt(i)] = i
base64Value['-'.charCodeAt(0)] = 62
base64Value['_'.charCodeAt(0)] = 63

/** Standard base64 with padding (rule S4). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const a = bytes[i] as number
    const b = bytes[i + 1]
    const c = bytes[i + 2]
    text += ALPHABET[a >> 2]
    text += ALPHABET[((a & 3) << 4) | ((b ?? 0) >> 4)]
    text += b === undefined ? '=' : ALPHABET[((b & 15) << 2) | ((c ?? 0) >> 6)]
    text += c === undefined ? '=' : ALPHABET[c & 63]
  }
  return text
}

/** Base64url without padding (RFC 4648 §5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/**
 * Base64 of either alphabet, padded or not (rule V1). Padding, where present, must be complete, and the unused
 * bits of the last digit must be zero, so that one credential has one spelling per alphabet.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  let end = text.length
  while (end > 0 && text.length - end < 2 && text.charCodeAt(end - 1) === 61) end--
  if (end !== text.length && text.length % 4 !== 0) return undefined
  if (end % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((end * 3) / 4))
  let out = 0
  let buffer = 0
  let bits = 0
  for (let i = 0; i < end; i++) {
    const value = base64Value[text.charCodeAt(i)] ?? -1
    if (value < 0) return undefined
    buffer = ((buffer << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[out++] = (buffer >> bits) & 0xff
    }
  }
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of `text`. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of strict UTF-8 (a byte order mark is kept); `undefined` for anything else. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** All parts one after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return joinBytes(parts)
}

/** All parts one after the other, however many they are. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Whether two byte strings are equal, in time that depends on their lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
