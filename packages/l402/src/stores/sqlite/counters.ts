import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BatchReader } from './batch.ts'

interface Touched {
  readonly key: Uint8Array
  /** Whether the file has it already. */
  readonly known: boolean
  used: bigint
  changed: boolean
}

/**
 * The counters that one transaction touches: each is read once and written once, however many of the batch's operations
 * want it. The transaction holds the write lock from its beginning, so nobody else changes them meanwhile.
 */
export class Counters {
  readonly #read: StatementSync
  readonly #write: StatementSync
  readonly #remove: StatementSync
  readonly #touched = new Map<string, Touched>()

  constructor(db: DatabaseSync) {
    this.#read = db.prepare('SELECT used FROM counters WHERE key = ?')
    this.#read.setReadBigInts(true)
    this.#write = db.prepare('INSERT INTO counters VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET used = ?2')
    this.#remove = db.prepare('DELETE FROM counters WHERE key = ?')
  }

  used(key: Uint8Array): bigint {
    return this.#touch(key).used
  }

  /** Compares and adds (rule 2). What is used then, or `undefined` for a counter that holds more than `room` before. */
  add(key: Uint8Array, amount: bigint, room: bigint): bigint | undefined {
    const counter = this.#touch(key)
    if (counter.used > room) return undefined
    counter.used += amount
    counter.changed = true
    return counter.used
  }

  /** Subtracts the uses of a reservation, as they stand in its row. */
  giveBack(uses: Uint8Array): void {
    const reader = new BatchReader(uses)
    while (reader.more) {
      const counter = this.#touch(reader.take(32))
      const amount = reader.i64()
      reader.i64()
      // One that somebody has removed from the file stays away.
      if (!counter.known && !counter.changed) continue
      counter.used -= amount
      counter.changed = true
    }
  }

  /** Before the transaction's end. Nothing stays of a counter that was never used: a holder can name new ones without end. */
  writeBack(): void {
    for (const { key, known, used, changed } of this.#touched.values()) {
      if (!changed) continue
      if (used !== 0n) this.#write.run(key, used)
      else if (known) this.#remove.run(key)
    }
    this.#touched.clear()
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#touched.clear()
  }

  #touch(key: Uint8Array): Touched {
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
    let counter = this.#touched.get(name)
    if (counter === undefined) {
      const used = this.#read.get(key)?.['used'] as bigint | undefined
      counter = { key, known: used !== undefined, used: used ?? 0n, changed: false }
      this.#touched.set(name, counter)
    }
    return counter
  }
}
