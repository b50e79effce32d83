/** The buyer's payments: each payment hash is sent at most once, and everybody who asks hears of the same fate. */

import { encodeHex } from '../../core/bytes.ts'
import type { PaymentOutcome } from '../backend.ts'
import { Book } from './book.ts'

interface PaymentRecord {
  readonly expiresAt: number
  readonly done: Promise<PaymentOutcome>
  readonly finish: (outcome: PaymentOutcome) => void
  outcome: PaymentOutcome | undefined
}

export class PaymentBook {
  readonly #records = new Book<PaymentRecord>((record) => record.outcome !== undefined)
  readonly #open = new Set<PaymentRecord>()

  /** How many have been started and not finished. */
  get unfinished(): number {
    return this.#open.size
  }

  /** The fate of a payment that was started before, or `undefined`. */
  started(paymentHash: Uint8Array): Promise<PaymentOutcome> | undefined {
    return this.#records.get(encodeHex(paymentHash))?.done
  }

  start(paymentHash: Uint8Array, times: { expiresAt: number; nowSeconds: number }): Promise<PaymentOutcome> {
    const { promise, resolve } = settleable<PaymentOutcome>()
    const record: PaymentRecord = {
      expiresAt: times.expiresAt,
      done: promise,
      outcome: undefined,
      finish: (outcome) => {
        if (record.outcome !== undefined) return
        record.outcome = outcome
        this.#open.delete(record)
        resolve(outcome)
      },
    }
    this.#open.add(record)
    this.#records.set(encodeHex(paymentHash), record, times.nowSeconds)
    return promise
  }

  finish(paymentHash: Uint8Array, outcome: PaymentOutcome): void {
    this.#records.get(encodeHex(paymentHash))?.finish(outcome)
  }

  /** Gives up on all that are under way: nobody will hear of them again. */
  abandon(detail: string): void {
    for (const record of this.#open) record.finish({ status: 'unknown', detail })
  }

  state(paymentHash: Uint8Array): PaymentOutcome {
    const record = this.#records.get(encodeHex(paymentHash))
    if (record === undefined) return { status: 'not_found' }
    return record.outcome ?? { status: 'pending' }
  }
}

function settleable<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
