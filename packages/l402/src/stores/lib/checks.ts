import { equalBytes } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Claim, CounterUse, RateUse, Redemption, ReserveRequest } from '../ledger.ts'

/** The largest number a counter can hold: 2^63−1. */
export const COUNTER_MAX: bigint = 2n ** 63n - 1n
/** Longest window of a rate, in milliseconds: some 35,000 years. */
const WINDOW_MAX = 2 ** 50

/** Wrong use of the API, found before anything is queued: `TypeError` or `RangeError`. */
export function checkReserve({ redemption, uses }: ReserveRequest): void {
  checkRedemption(redemption)
  if (uses.length === 0) throw new RangeError('a reservation uses at least one counter')
  let estimate: bigint | undefined
  const metered: Uint8Array[] = []
  for (const use of uses) {
    checkKey(use.key, 'counter key')
    if (use.metered === true) {
      estimate ??= use.amount
      // What is measured is taken from all of them alike.
      if (use.amount !== estimate) throw new RangeError('the metered uses of a reservation have one amount')
      if (metered.some((key) => equalBytes(key, use.key)))
        throw new RangeError('the metered uses of a reservation are of different counters')
      metered.push(use.key)
    }
    if (use.amount < 1n) throw new RangeError('a counter use has an amount of at least 1')
    if (use.endsAtMs !== undefined && use.endsAtMs !== null) checkTime(use.endsAtMs, 'endsAtMs')
  }
}

/** What a credit or reservation is made for. */
function checkRedemption({ paymentHash, tokenId, endsAtMs }: Redemption): void {
  checkKey(paymentHash, 'paymentHash')
  checkKey(tokenId, 'tokenId')
  if (endsAtMs !== undefined && endsAtMs !== null) checkTime(endsAtMs, 'endsAtMs')
}

/** A credit is 1 msat to 2^63−1. */
export function checkCredit(redemption: Redemption, amountMsat: bigint): void {
  checkRedemption(redemption)
  if (amountMsat < 1n || amountMsat > COUNTER_MAX)
    throw new RangeError('a credit is an amount of 1 to 2^63−1 msat')
}

/** A measured cost is 0 msat or more; what is beyond 2^63−1 counts as that. */
export function checkedActual(actualMsat: bigint): bigint {
  if (actualMsat < 0n) throw new RangeError('a measured cost is 0 msat or more')
  return actualMsat < COUNTER_MAX ? actualMsat : COUNTER_MAX
}

/** At least one window, each with a length. */
export function checkRates(rates: readonly RateUse[]): void {
  if (rates.length === 0) throw new RangeError('a pace is of at least one rate')
  for (const { key, limit, windowMs, endsAtMs = null } of rates) {
    checkKey(key, 'rate key')
    if (limit < 0n) throw new RangeError('a rate has a limit of 0 or more')
    if (!Number.isSafeInteger(windowMs) || windowMs < 1 || windowMs > WINDOW_MAX)
      throw new RangeError('a rate has a window of 1 to 2^50 whole milliseconds')
    if (endsAtMs !== null) checkTime(endsAtMs, 'endsAtMs')
  }
}

/** Key, digest and time of a claim. */
export function checkClaim({ key, digest, untilMs }: Claim): void {
  checkKey(key, 'claim key')
  checkKey(digest, 'claim digest')
  checkTime(untilMs, 'untilMs')
}

/** Times are whole milliseconds since 1970. */
export function checkTime(ms: number, what: string): void {
  if (!Number.isSafeInteger(ms) || ms < 0)
    throw new RangeError(`${what}: expected whole milliseconds since 1970`)
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

/**
 * Most a counter may hold *before* this use, or a negative number if the use never fits. `credited`: what has been
 * credited to the account, where the use is of one.
 */
export function roomBefore({ amount, limit }: CounterUse, credited = 0n): bigint {
  const most = limit === 'credited' ? credited : limit
  return (most < COUNTER_MAX ? most : COUNTER_MAX) - amount
}
