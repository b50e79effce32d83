/**
 * A challenge that a page is waiting on, as the browser that has the page carries it. Whoever saw the invoice, or all of the
 * 402's header, has neither the nonce nor the seal: what is bought with it is given to this browser alone.
 */

import {
  concatBytes,
  decodeBase64,
  decodeUtf8,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from '../core/bytes.ts'
import { verifyChain } from '../core/chain.ts'
import { isL402Error } from '../core/errors.ts'
import { hmacSha256 } from '../core/hash.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import type { KeyRing } from '../server/keys.ts'

/** Where the cookie for what is bought goes. */
interface CookiePlace {
  /** See `soldName`. */
  readonly sold: string
  /** See `cookiePath`. */
  readonly path: string
  /** Seconds that it is kept. */
  readonly maxAge: number
}

/** A browser's challenge whose seal holds. */
export interface Pending {
  /** Names the browser; a secret like the rest of it. 16 bytes. */
  readonly nonce: Uint8Array
  /** URL-safe base64 without padding. */
  readonly macaroon: string
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** Lower-case hex. */
  readonly tokenId: string
  readonly place: CookiePlace
}

/** Bytes of a browser's name. */
export const NONCE_BYTES = 16

const LABEL = encodeUtf8('turnpike payment page 1\n')

/** The text for a cookie or a form: nonce, macaroon, place and seal. `macaroon` in base64. */
export function formatPending(
  { nonce, macaroon, place }: Pick<Pending, 'nonce' | 'macaroon' | 'place'>,
  keys: KeyRing,
): string {
  const bytes = decodeBase64(macaroon) ?? new Uint8Array()
  const { identifier } = decodeMacaroon(bytes)
  const where = encodeUtf8(`${place.sold} ${place.maxAge} ${place.path}`)
  return [nonce, bytes, where, seal(keys.mintingKey(identifier), nonce, bytes, where)]
    .map(encodeBase64Url)
    .join('.')
}

/** Reads such a text; `undefined` for one that this server did not make. Linear time, and never throws. */
export function readPending(text: string, keys: KeyRing): Pending | undefined {
  const parts = text.split('.', 5)
  const [nonce, bytes, where, stated] = parts.map(decodeBase64)
  if (parts.length !== 4 || nonce?.length !== NONCE_BYTES || bytes === undefined) return undefined
  if (where === undefined || stated?.length !== 32) return undefined
  try {
    const macaroon = decodeMacaroon(bytes)
    const { paymentHash, tokenId } = decodeIdentifier(macaroon.identifier)
    for (const rootKey of keys.candidates(macaroon.identifier)) {
      if (verifyChain(rootKey, macaroon) === undefined) continue
      if (!equalBytes(seal(rootKey, nonce, bytes, where), stated)) return undefined
      const [sold = '', maxAge = '', path = ''] = (decodeUtf8(where) ?? '').split(' ')
      const place = { sold, path, maxAge: Number(maxAge) }
      return { nonce, macaroon: encodeBase64Url(bytes), paymentHash, tokenId: encodeHex(tokenId), place }
    }
  } catch (error) {
    if (!isL402Error(error, 'malformed')) throw error
  }
  return undefined
}

/** By the macaroon's root key, which never leaves the server. The macaroon's own chain begins with another HMAC of it. */
function seal(rootKey: Uint8Array, nonce: Uint8Array, macaroon: Uint8Array, where: Uint8Array): Uint8Array {
  // Lengths are fixed, or said, or follow from the rest: no two triples read the same.
  const lengths = Uint8Array.of(macaroon.length >> 8, macaroon.length & 255)
  return hmacSha256(rootKey, concatBytes(LABEL, nonce, lengths, macaroon, where))
}
