import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { encodeHex, encodeUtf8 } from '../bytes.ts'
import type { Hasher } from './hasher.ts'

/** Browsers, Workers and anything without `node:crypto`. */
export const hasher: Hasher = {
  sha256: (data) => nobleSha256(data),
  sha256Text: (text) => encodeHex(nobleSha256(encodeUtf8(text))),
  hmacSha256: (key, data) => hmac(nobleSha256, key, data),
}
