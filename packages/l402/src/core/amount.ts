import { L402Error } from './errors.ts'
import { quote } from './lib/quote.ts'

/** 21 million bitcoin: nobody can pay more. Fits in a signed 64-bit integer. */
export const MAX_AMOUNT_MSAT = 2_100_000_000_000_000_000n

const MSAT_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ['msat', 1n],
  ['sat', 1_000n],
  ['sats', 1_000n],
  ['ksat', 1_000_000n],
  ['btc', 100_000_000_000n],
])

const NUMBER = '(0|[1-9][0-9]*)(?:\\.([0-9]+))?'
const AMOUNT = new RegExp(`^${NUMBER} ?([A-Za-z]*)$`)
const FIAT = /^\p{Sc}|\p{Sc}$|(?:^|[\d ])(?:usd|eur|gbp|chf|jpy|cad|aud)(?:[\d ]|$)/iu

const EXPECTED = "a number and a unit (msat, sat, sats, ksat, btc), as in '10 sat' or '0.0001 btc'"

/**
 * Millisatoshis of an amount such as `10 sat`, `1.5sat`, `1500 msat`, `1ksat` or `0.0001 btc`.
 *
 * @throws {L402Error} `malformed` for any other text, a part of a millisatoshi, or more than 21 million bitcoin.
 */
export function parseAmount(text: string): bigint {
  const [, whole, fraction = '', unit = ''] = text.length <= 64 ? (AMOUNT.exec(text) ?? []) : []
  if (whole === undefined) {
    if (text.length <= 64 && FIAT.test(text)) throw fiat(text)
    throw malformed(EXPECTED, text)
  }
  const msatPerUnit = MSAT_PER_UNIT.get(unit)
  if (msatPerUnit === undefined) {
    if (unit !== '' && FIAT.test(text)) throw fiat(text)
    throw malformed(EXPECTED, text, unit === '' ? ', which has no unit' : '')
  }
  const scaled = BigInt(whole + fraction) * msatPerUnit
  const scale = 10n ** BigInt(fraction.length)
  if (scaled % scale !== 0n) throw malformed('a whole number of millisatoshis', text)
  const msat = scaled / scale
  if (msat > MAX_AMOUNT_MSAT) throw malformed('at most 21 million bitcoin', text)
  return msat
}

/** `10 sat`, or `1500 msat` where the amount is no whole number of satoshis. {@link parseAmount} reads both. */
export function formatAmount(msat: bigint): string {
  return msat % 1_000n === 0n ? `${msat / 1_000n} sat` : `${msat} msat`
}

function fiat(text: string): L402Error {
  return malformed(`${EXPECTED}; prices in fiat money need a rate source`, text)
}

function malformed(expected: string, text: string, remark = ''): L402Error {
  return new L402Error('malformed', `invalid amount: expected ${expected}; got ${quote(text)}${remark}`)
}
