/** Terms that any invoice must keep to. */

import { encodeUtf8 } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { InvoiceRequest } from '../backend.ts'

/** All the bitcoin there will be. */
export const MAX_MSAT = 2_100_000_000_000_000_000n
const MAX_MEMO_BYTES = 639
const MAX_EXPIRY_SECONDS = 366 * 24 * 3600

/** Throws `RangeError` for terms that no invoice can have. */
export function checkInvoiceRequest({ amountMsat, memo, expirySeconds }: InvoiceRequest): void {
  // protocol S7: never an invoice without an amount
  if (amountMsat <= 0n || amountMsat > MAX_MSAT) {
    throw new RangeError('amountMsat must be more than 0 and at most 21 million bitcoin')
  }
  if (encodeUtf8(memo).length > MAX_MEMO_BYTES) {
    throw new RangeError(`memo must be at most ${MAX_MEMO_BYTES} bytes of UTF-8`)
  }
  if (!Number.isSafeInteger(expirySeconds) || expirySeconds < 1 || expirySeconds > MAX_EXPIRY_SECONDS) {
    throw new RangeError(`expirySeconds must be a whole number from 1 to ${MAX_EXPIRY_SECONDS}`)
  }
}

/** Throws `lightning_unavailable` once a backend has been closed. */
export function assertOpen(who: string, ended: AbortSignal): void {
  if (ended.aborted) throw new L402Error('lightning_unavailable', `${who}: closed`)
}

/** What comes before every invoice: terms that can be met, a backend that is open, a caller that still wants it. */
export function beginInvoice(who: string, request: InvoiceRequest, ended: AbortSignal): void {
  checkInvoiceRequest(request)
  assertOpen(who, ended)
  if (request.signal?.aborted)
    throw new L402Error('lightning_unavailable', `${who}: making the invoice was aborted`)
}
