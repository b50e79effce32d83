import type { CounterState } from '../ledger.ts'

/** The answers of a batch, read one operation after the other. */
export class Answers {
  readonly #words: readonly string[]
  readonly #blobs: readonly Uint8Array[]
  #at = 0
  #blobsRead = 0

  constructor(text: string, blobs: readonly Uint8Array[]) {
    this.#words = text.split(' ')
    this.#blobs = blobs
  }

  next(): string {
    return this.#words[this.#at++] ?? ''
  }

  blob(): Uint8Array {
    return this.#blobs[this.#blobsRead++] ?? new Uint8Array()
  }

  /** Of a reservation. */
  states(count: number): CounterState[] {
    return Array.from({ length: count }, () => this.#state())
  }

  /** Of counters that were read: with what their accounts lost. */
  counters(count: number): CounterState[] {
    return Array.from({ length: count }, () => {
      const state = this.#state()
      return state.credited === undefined ? state : { ...state, lost: BigInt(this.next()) }
    })
  }

  #state(): CounterState {
    const used = BigInt(this.next())
    const credited = this.next()
    return credited === '-' ? { used } : { used, credited: BigInt(credited) }
  }
}
