import type { CounterState } from '../ledger.ts'

/** What the operations of a batch answer, one after the other; sent from thread to thread. */
export interface BatchAnswers {
  readonly numbers: BigInt64Array<ArrayBuffer>
  /** Outcomes of claims. */
  readonly blobs: readonly Uint8Array[]
}

/** How full a counter is, as the file has it. */
export interface StoredState {
  readonly used: bigint
  /** `null` of a counter that is no account. */
  readonly credited: bigint | null
  readonly lost: bigint
}

/** Gathers answers. */
export class AnswerWriter {
  readonly numbers: bigint[] = []
  readonly blobs: Uint8Array[] = []

  number(value: number): void {
    this.numbers.push(BigInt(value))
  }

  flag(yes: boolean): void {
    this.numbers.push(yes ? 1n : 0n)
  }

  /** Nothing credited and no account are told apart by the sign. */
  state({ used, credited }: StoredState): void {
    this.numbers.push(used, credited ?? -1n)
  }

  done(): BatchAnswers {
    return { numbers: BigInt64Array.from(this.numbers), blobs: this.blobs }
  }
}

/** Reads answers in the order in which they were asked for. */
export class AnswerReader {
  readonly #answers: BatchAnswers
  #at = 0
  #blobsAt = 0

  constructor(answers: BatchAnswers) {
    this.#answers = answers
  }

  number(): bigint {
    return this.#answers.numbers[this.#at++] ?? 0n
  }

  flag(): boolean {
    return this.number() === 1n
  }

  blob(): Uint8Array {
    return this.#answers.blobs[this.#blobsAt++] ?? new Uint8Array()
  }

  state(): CounterState {
    const used = this.number()
    const credited = this.number()
    return credited < 0n ? { used } : { used, credited }
  }

  states(count: number): CounterState[] {
    return Array.from({ length: count }, () => this.state())
  }

  /** States with what was lost, of accounts. */
  fullStates(count: number): CounterState[] {
    return Array.from({ length: count }, () => {
      const state = this.state()
      const lost = this.number()
      return state.credited === undefined ? state : { ...state, lost }
    })
  }
}
