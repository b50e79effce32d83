import { hasher } from '#hasher'

/** SHA-256 of `data`: 32 bytes. */
export const sha256: (data: Uint8Array) => Uint8Array = hasher.sha256

/** SHA-256 of a text's UTF-8 bytes, as a short text: a cache key that gives nothing away. */
export const sha256Text: (text: string) => string = hasher.sha256Text

/** HMAC-SHA256 (RFC 2104): 32 bytes, a Buffer on Node: copy what leaves the library. */
export const hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array = hasher.hmacSha256

const EMPTY_SALT = new Uint8Array(32)

/** HKDF-SHA256's extract step (RFC 5869 §2.2) with an empty salt: the 32-byte pseudorandom key. */
export function hkdfExtract(inputKey: Uint8Array): Uint8Array {
  return hmacSha256(EMPTY_SALT, inputKey)
}

/** HKDF-SHA256's expand step (RFC 5869 §2.3) for one block: 32 bytes. */
export function hkdfExpand(pseudorandomKey: Uint8Array, info: Uint8Array): Uint8Array {
  const block = new Uint8Array(info.length + 1)
  block.set(info)
  block[info.length] = 1
  return new Uint8Array(hmacSha256(pseudorandomKey, block))
}
