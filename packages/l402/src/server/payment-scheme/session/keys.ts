/** Names of what the ledger keeps of a session. Each is a hash over a purpose, so none is anything else's. */

import { concatBytes, encodeUtf8 } from '../../../core/bytes.ts'
import { sha256 } from '../../../core/hash.ts'

function named(purpose: string): (id: Uint8Array) => Uint8Array {
  const label = encodeUtf8(`turnpike session ${purpose}\0`)
  return (id) => sha256(concatBytes(label, id))
}

/**
 * The account of what may be paid back: its credit is what the session's own payments have bought (it is open once there is
 * any), and it is used, all of it at once, by closing.
 */
export const openKey: (sessionId: Uint8Array) => Uint8Array = named('open')
/** The counter of what closing has taken off the balance, to be paid back. */
export const takenKey: (sessionId: Uint8Array) => Uint8Array = named('taken')
/** The claim that holds the session's record. */
export const recordKey: (sessionId: Uint8Array) => Uint8Array = named('record')
/** The claim of the one attempt to pay back. */
export const refundKey: (sessionId: Uint8Array) => Uint8Array = named('refund')
/** The claim that holds how an attempt ended whose outcome was not known at first. */
export const outcomeKey: (sessionId: Uint8Array) => Uint8Array = named('outcome')
/** Stands for a payment hash where a failed refund is put back on the balance. */
export const putBackKey: (sessionId: Uint8Array) => Uint8Array = named('put back')
/** The claim that makes a return invoice (payment hash) one session's. */
export const returnKey: (paymentHash: Uint8Array) => Uint8Array = named('return invoice')
/** The claim that makes a payment (hash) the top-up of one session. */
export const topUpKey: (paymentHash: Uint8Array) => Uint8Array = named('top-up')
/** Stands for that payment hash where its part of what may be paid back is credited. */
export const topUpShareKey: (paymentHash: Uint8Array) => Uint8Array = named('top-up share')
/** The counter of calls that a top-up has moved to its session; and the payment hash under which they come in there. */
export const movedKey: (paymentHash: Uint8Array) => Uint8Array = named('moved calls')

/**
 * The counters of what was taken off a payment's balance without serving anybody, in its units: by closing its session, to be
 * paid back in satoshis, and by moving it to the session that it tops up. It counts as used, and is not to be given back again.
 */
export function takenOffKeys(paymentHash: Uint8Array): readonly Uint8Array[] {
  return [takenKey(paymentHash), movedKey(paymentHash)]
}
