/** A map that forgets: records are kept until a while after they have stopped to matter, and never too many. */

interface Dated {
  /** Unix seconds of the invoice's expiry. */
  readonly expiresAt: number
}

const KEEP_SECONDS = 7 * 24 * 3600
const KEEP_RECORDS = 100_000
const SWEEP_SECONDS = 60

export class Book<T extends Dated> {
  readonly #records = new Map<string, T>()
  readonly #mayGo: (record: T) => boolean
  readonly #limit: number
  #sweptAt = 0

  /** `mayGo` keeps a record that is still at work, whatever its age. */
  constructor(mayGo: (record: T) => boolean = () => true, limit: number = KEEP_RECORDS) {
    this.#mayGo = mayGo
    this.#limit = limit
  }

  get size(): number {
    return this.#records.size
  }

  get(key: string): T | undefined {
    return this.#records.get(key)
  }

  values(): Iterable<T> {
    return this.#records.values()
  }

  set(key: string, record: T, nowSeconds: number): void {
    this.#records.set(key, record)
    if (nowSeconds - this.#sweptAt >= SWEEP_SECONDS) this.#sweep(nowSeconds)
    if (this.#records.size > this.#limit) this.#dropOldest()
  }

  #sweep(nowSeconds: number): void {
    this.#sweptAt = nowSeconds
    for (const [key, record] of this.#records) {
      if (record.expiresAt + KEEP_SECONDS < nowSeconds && this.#mayGo(record)) this.#records.delete(key)
    }
  }

  #dropOldest(): void {
    for (const [key, record] of this.#records) {
      if (!this.#mayGo(record)) continue
      this.#records.delete(key)
      return
    }
  }
}
