/** Prices in fiat money, in exact decimal arithmetic. */

import { L402Error } from '../../core/errors.ts'

/** A decimal number above 0: `units / 10^scale`. */
export interface Decimal {
  readonly units: bigint
  readonly scale: number
}

/** A price in fiat money. */
export interface FiatPrice {
  /** ISO 4217, e.g. `USD`. */
  readonly currency: string
  readonly amount: Decimal
}

const SYMBOLS: ReadonlyMap<string, string> = new Map([
  ['$', 'USD'],
  ['€', 'EUR'],
  ['£', 'GBP'],
])
const CURRENCIES: ReadonlySet<string> = new Set(['USD', 'EUR', 'GBP', 'CHF', 'CAD', 'AUD', 'JPY'])

const NUMBER = '((?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,12})?)'
const SYMBOL_FIRST = new RegExp(`^([$€£]) ?${NUMBER}$`)
const SYMBOL_LAST = new RegExp(`^${NUMBER} ?(€)$`)
const CODE_LAST = new RegExp(`^${NUMBER} ?([A-Za-z]{3})$`)

/** Whether a text means fiat money, well written or not. */
export function isFiatPrice(text: string): boolean {
  const code = /^[\d.]+ ?([A-Za-z]{3})$/.exec(text)?.[1]
  return /^\p{Sc}|\p{Sc}$/u.test(text) || (code !== undefined && CURRENCIES.has(code.toUpperCase()))
}

/**
 * Reads `$0.02`, `€ 1.50`, `£0.10`, `0.02 USD` or `0.02 €`.
 *
 * @throws {L402Error} `malformed` for any other text, and for nothing.
 */
export function parseFiat(text: string): FiatPrice {
  const first = SYMBOL_FIRST.exec(text)
  const last = SYMBOL_LAST.exec(text) ?? CODE_LAST.exec(text)
  const number = first?.[2] ?? last?.[1]
  const unit = (first?.[1] ?? last?.[2] ?? '').toUpperCase()
  const currency = SYMBOLS.get(unit) ?? unit
  const amount = number === undefined ? undefined : parseDecimal(number)
  if (amount === undefined || !CURRENCIES.has(currency))
    throw new L402Error(
      'malformed',
      `invalid price: expected an amount above 0 in ${[...CURRENCIES].join(', ')}, as in '$0.02', '€0.02' or '0.02 USD'`,
    )
  return { currency, amount }
}

const DECIMAL = /^(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?$/

/** A decimal number above 0, such as `64123.5`; `undefined` for anything else. */
export function parseDecimal(text: string): Decimal | undefined {
  const [, whole, fraction = ''] = DECIMAL.exec(text) ?? []
  if (whole === undefined) return undefined
  const units = BigInt(whole + fraction)
  return units === 0n ? undefined : { units, scale: fraction.length }
}

const MSAT_PER_BTC = 100_000_000_000n

/** What fiat money is in millisatoshi at a rate (fiat per bitcoin), rounded up (protocol S7). At least 1. */
export function fiatToMsat(amount: Decimal, perBtc: Decimal): bigint {
  const above = amount.units * MSAT_PER_BTC * 10n ** BigInt(perBtc.scale)
  const below = perBtc.units * 10n ** BigInt(amount.scale)
  return (above + below - 1n) / below
}

/** Negative where `a` is less than `b`, 0 where they are equal. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const left = a.units * 10n ** BigInt(b.scale)
  const right = b.units * 10n ** BigInt(a.scale)
  return left < right ? -1 : left > right ? 1 : 0
}
