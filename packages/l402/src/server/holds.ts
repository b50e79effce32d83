/**
 * Payment on delivery: the seller makes the preimage, the buyer's payment is held by the node, and the preimage comes to the
 * buyer with the settlement, once what was asked for is ready to be had.
 */

import { concatBytes, encodeUtf8, equalBytes } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { KeyRing } from './keys.ts'

/** A challenge whose payment is to be held; for whoever answers the request and settles. Holds a secret: the preimage. */
export interface HeldSale {
  /** 32 bytes. */
  readonly tokenId: Uint8Array
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** 32 bytes; nobody else's before the payment is settled. */
  readonly preimage: Uint8Array
  /** Standard base64 with padding. */
  readonly macaroon: string
  /** Unix seconds until which it can be paid. */
  readonly expiresAt: number
}

/** In place of an `Idempotency-Key` on such routes: a credential has one request. */
export const HOLD_KEY = 'hold'

/** How long the answer of such a request is kept at most, in milliseconds. */
export const HOLD_KEEP_MS = 3_600_000

// No identifier is as short as this with a token id after it, so no root key is ever one of these.
const PURPOSE = encodeUtf8('turnpike hold preimage')

/** The preimage of a hold invoice: from the newest master key, so that nothing of it is stored. */
export function holdPreimage(keys: KeyRing, tokenId: Uint8Array): Uint8Array {
  return keys.mintingKey(concatBytes(PURPOSE, tokenId))
}

/** The same for an invoice that was made earlier; `undefined` where no active master key has made it. */
export function findHoldPreimage(
  keys: KeyRing,
  { tokenId, paymentHash }: Pick<HeldSale, 'tokenId' | 'paymentHash'>,
): Uint8Array | undefined {
  for (const preimage of keys.candidates(concatBytes(PURPOSE, tokenId)))
    if (equalBytes(sha256(preimage), paymentHash)) return preimage
  return undefined
}
