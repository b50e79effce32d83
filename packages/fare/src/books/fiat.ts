/** What payments were worth in money of the country, at the rate of their time. */

import { encodeHex } from '@turnpike/l402'
import type { PaymentRecord, PurseStore } from '@turnpike/l402/client'
import { costMsatOf } from './filters.ts'

/** What a bitcoin cost. */
export interface FiatRate {
  /** ISO 4217. */
  readonly currency: string
  /** Units of the currency for one bitcoin: `units / 10^scale`. */
  readonly perBtc: { readonly units: bigint; readonly scale: number }
  /** Unix milliseconds. */
  readonly readAtMs: number
}

/** A payment in money of the country. */
export interface Fiat {
  readonly currency: string
  /** Fees included, to a millionth, e.g. `0.006412`. */
  readonly amount: string
  /** For one bitcoin, e.g. `64123.45`. */
  readonly rate: string
}

/** Name of the note in the purse; its subject is the payment hash. */
const NOTE = 'fiat'
const MSAT_PER_BTC = 100_000_000_000n
const DIGITS = 6

/** Keeps the rate with the payment. */
export async function keepRate(purse: PurseStore, paymentHash: string, rate: FiatRate): Promise<void> {
  const { currency, perBtc, readAtMs } = rate
  const text = JSON.stringify({ currency, rate: decimalText(perBtc.units, perBtc.scale), readAtMs })
  await purse.setNote(paymentHash, NOTE, text)
}

/** Whether the books have a rate for it. */
export async function hasRate(purse: PurseStore, paymentHash: string): Promise<boolean> {
  return (await purse.note(paymentHash, NOTE)) !== undefined
}

/** What a payment was worth; `null` where nobody knew the rate, or nothing was spent. */
export async function fiatOf(purse: PurseStore, record: PaymentRecord): Promise<Fiat | null> {
  const note = await purse.note(encodeHex(record.paymentHash), NOTE)
  if (note === undefined || record.state === 'failed') return null
  const { currency, rate } = JSON.parse(note) as { readonly currency: string; readonly rate: string }
  const [whole = '0', fraction = ''] = rate.split('.')
  const units = BigInt(whole + fraction)
  const divisor = MSAT_PER_BTC * 10n ** BigInt(fraction.length)
  const scaled = costMsatOf(record) * units * 10n ** BigInt(DIGITS)
  return { currency, rate, amount: decimalText((scaled + divisor / 2n) / divisor, DIGITS) }
}

/** Sums by currency, in the order they first come. */
export function sumFiat(all: readonly (Fiat | null)[]): readonly Pick<Fiat, 'currency' | 'amount'>[] {
  const sums = new Map<string, bigint>()
  for (const one of all)
    if (one) sums.set(one.currency, (sums.get(one.currency) ?? 0n) + BigInt(one.amount.replace('.', '')))
  return [...sums].map(([currency, units]) => ({ currency, amount: decimalText(units, DIGITS) }))
}

function decimalText(units: bigint, scale: number): string {
  if (scale === 0) return units.toString()
  const digits = units.toString().padStart(scale + 1, '0')
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
