import { concatBytes } from '../core/bytes.ts'

/** A body as far as it may be kept. */
export class KeptBody {
  readonly #most: number | null
  #chunks: Uint8Array[] = []
  #length = 0

  /** `most`: bytes; `null` where none is to be kept. */
  constructor(most: number | null) {
    this.#most = most
  }

  /** Not copied: the chunk must not change. */
  add(chunk: Uint8Array): void {
    if (this.#most === null) return
    this.#length += chunk.length
    if (this.#length > this.#most) this.#chunks = []
    else this.#chunks.push(chunk)
  }

  /** `undefined` where it is not wanted, or too large. */
  body(): Uint8Array | undefined {
    return this.#most === null || this.#length > this.#most ? undefined : concatBytes(...this.#chunks)
  }
}
