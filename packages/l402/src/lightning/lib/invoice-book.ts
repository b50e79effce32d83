/** The seller's invoices: what was asked for, and what has been paid. LDK does not enforce expiry: this does. */

import { encodeHex } from '../../core/bytes.ts'
import type { InvoiceDetails, InvoiceState } from '../backend.ts'
import { Book } from './book.ts'

interface InvoiceRecord {
  readonly expiresAt: number
  readonly amountMsat: bigint
  settled: boolean
  /** Paid, and neither settled nor given back yet. */
  accepted?: boolean
  cancelled?: boolean
  receivedMsat?: bigint
  settledAt?: number
  preimage?: Uint8Array
}

export class InvoiceBook {
  readonly #records = new Book<InvoiceRecord>()
  readonly #nowSeconds: () => number
  #receivedMsat = 0n

  constructor(nowSeconds: () => number) {
    this.#nowSeconds = nowSeconds
  }

  /** All that was ever received. */
  get receivedMsat(): bigint {
    return this.#receivedMsat
  }

  add(paymentHash: Uint8Array, terms: { expiresAt: number; amountMsat: bigint }): void {
    this.#records.set(encodeHex(paymentHash), { ...terms, settled: false }, this.#nowSeconds())
  }

  /** Whether to take a payment that has arrived: of an own invoice, once, in time, in full. */
  accepts(paymentHash: Uint8Array, amountMsat: bigint): boolean {
    const record = this.#records.get(encodeHex(paymentHash))
    if (record === undefined || record.settled || record.accepted === true || record.cancelled === true)
      return false
    return amountMsat >= record.amountMsat && this.#nowSeconds() < record.expiresAt
  }

  /** A payment has arrived that is held. */
  accept(paymentHash: Uint8Array, amountMsat: bigint): void {
    const record = this.#records.get(encodeHex(paymentHash))
    if (record === undefined) return
    record.accepted = true
    record.receivedMsat = amountMsat
  }

  /** Makes it unpayable, and gives up what it holds; does nothing to one that is settled or over. */
  cancel(paymentHash: Uint8Array): void {
    const record = this.#records.get(encodeHex(paymentHash))
    const state = this.state(paymentHash)
    if (record === undefined || (state !== 'open' && state !== 'accepted')) return
    record.accepted = false
    record.cancelled = true
    delete record.receivedMsat
  }

  /** Both 32 bytes. */
  settle(paymentHash: Uint8Array, amountMsat: bigint, preimage?: Uint8Array): void {
    const record = this.#records.get(encodeHex(paymentHash))
    if (record !== undefined) {
      record.settled = true
      record.receivedMsat = amountMsat
      record.settledAt = this.#nowSeconds()
      if (preimage !== undefined) record.preimage = preimage
    }
    this.#receivedMsat += amountMsat
  }

  details(paymentHash: Uint8Array): InvoiceDetails {
    const { receivedMsat, settledAt, preimage } = this.#records.get(encodeHex(paymentHash)) ?? {}
    return {
      state: this.state(paymentHash),
      ...(receivedMsat === undefined ? {} : { amountMsat: receivedMsat }),
      ...(settledAt === undefined ? {} : { settledAt }),
      ...(preimage === undefined ? {} : { preimage: preimage.slice() }),
    }
  }

  state(paymentHash: Uint8Array): InvoiceState {
    const record = this.#records.get(encodeHex(paymentHash))
    if (record === undefined) return 'unknown'
    if (record.settled) return 'settled'
    if (record.accepted === true) return 'accepted'
    if (record.cancelled === true) return 'cancelled'
    return this.#nowSeconds() < record.expiresAt ? 'open' : 'expired'
  }
}
