import { L402Error } from '../../core/errors.ts'
import type { CounterUse, ReserveRequest } from '../ledger.ts'

/** The largest number a counter can hold: 2^63−1. */
const COUNTER_MAX: bigint = 2n ** 63n - 1n

/** Wrong use of the API, found before anything is queued: `TypeError` or `RangeError`. */
export function checkReserve({ redemption, uses }: ReserveRequest): void {
  checkKey(redemption.paymentHash, 'paymentHash')
  checkKey(redemption.tokenId, 'tokenId')
  if (uses.length === 0) throw new RangeError('a reservation uses at least one counter')
  for (const use of uses) {
    checkKey(use.key, 'counter key')
    if (use.amount < 1n) throw new RangeError('a counter use has an amount of at least 1')
  }
}

/** Keys, hashes and token ids are 32 bytes. */
export function checkKey(bytes: Uint8Array, what: string): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${what}: expected a Uint8Array`)
  if (bytes.length !== 32) throw new RangeError(`${what}: expected 32 bytes, got ${bytes.length}`)
}

/** The fault of serving for a reservation that is no longer held: served all the same, it would be free. */
export function lapsed(): L402Error {
  return new L402Error(
    'store_unavailable',
    'the reservation has lapsed: it was given back, so nothing may be served for it',
  )
}

/** Most a counter may hold *before* this use, or a negative number if the use never fits. */
export function roomBefore({ amount, limit }: CounterUse): bigint {
  return (limit < COUNTER_MAX ? limit : COUNTER_MAX) - amount
}
