import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { COUNTER_MAX } from '../lib/checks.ts'
import { laterEnd } from '../lib/ends.ts'
import { settlement } from '../lib/settlement.ts'
import type { StoredState } from './answers.ts'
import type { HeldUse } from './uses.ts'

interface Touched extends StoredState {
  readonly key: Uint8Array
  /** Whether the file has it already. */
  readonly known: boolean
  used: bigint
  credited: bigint | null
  lost: bigint
  endsMs: number | null
  /** What of it is to be written. */
  changed: 'nothing' | 'used' | 'all'
}

/**
 * The counters that one transaction touches: each is read once and written once, however many of the batch's operations
 * want it. The transaction holds the write lock from its beginning, so nobody else changes them meanwhile.
 */
export class Counters {
  readonly #read: StatementSync
  readonly #use: StatementSync
  readonly #write: StatementSync
  readonly #remove: StatementSync
  readonly #touched = new Map<string, Touched>()

  constructor(db: DatabaseSync) {
    this.#read = db.prepare('SELECT used, credited, lost, ends_ms FROM counters WHERE key = ?')
    this.#read.setReadBigInts(true)
    // Apart from the one that writes all: it need not look at the index of ends.
    this.#use = db.prepare('UPDATE counters SET used = ?2 WHERE key = ?1')
    this.#write = db.prepare('INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?)')
    this.#remove = db.prepare('DELETE FROM counters WHERE key = ?')
  }

  state(key: Uint8Array): StoredState {
    return this.#touch(key)
  }

  /** Compares and adds (rule 2). How full the counter is then, or `undefined` if the use has no room in it. */
  add(use: HeldUse, endsMs: number | null): StoredState | undefined {
    const counter = this.#touch(use.key)
    const room = use.credited ? (counter.credited ?? 0n) - use.amount : use.room
    if (counter.used > room) return undefined
    if (isEmpty(counter) && counter.endsMs !== endsMs) {
      counter.endsMs = endsMs
      counter.changed = 'all'
    }
    changeUsed(counter, use.amount)
    return counter
  }

  /** Subtracts the uses of a reservation. */
  giveBack(uses: readonly HeldUse[]): void {
    for (const { key, amount } of uses) {
      const counter = this.#touch(key)
      if (isThere(counter)) changeUsed(counter, -amount)
    }
  }

  /** Sets the metered uses to what was measured, as far as all have room (rule 5); answers what did not fit. */
  measure(uses: readonly HeldUse[], actualMsat: bigint): bigint {
    const metered = uses.filter((use) => use.metered)
    const [first] = metered
    if (first === undefined) return 0n
    const rooms = metered.map(({ key, credited, amount, room }) => {
      const counter = this.#touch(key)
      return { used: counter.used, limit: credited ? (counter.credited ?? 0n) : room + amount }
    })
    const { change, lost } = settlement(first.amount, actualMsat, rooms)
    for (const use of metered) {
      use.amount += change
      use.room -= change
      const counter = this.#touch(use.key)
      if (isThere(counter)) changeUsed(counter, change)
    }
    return lost
  }

  /** Records on the accounts of a reservation what they could not pay (rule 5). */
  lose(uses: readonly HeldUse[], lostMsat: bigint): void {
    if (lostMsat === 0n) return
    for (const { key, credited } of uses) {
      const counter = this.#touch(key)
      if (!credited || !isThere(counter)) continue
      counter.lost = atMost(counter.lost + lostMsat)
      counter.changed = 'all'
    }
  }

  /** Puts a payment on an account, which lasts as long as the longest of its payments (rule 8). */
  credit(key: Uint8Array, amountMsat: bigint, endsMs: number | null): void {
    const account = this.#touch(key)
    account.endsMs = isEmpty(account) ? endsMs : laterEnd(account.endsMs, endsMs)
    account.credited = atMost((account.credited ?? 0n) + amountMsat)
    account.changed = 'all'
  }

  /** Before the transaction's end. Nothing stays of a counter that was never used: a holder can name new ones without end. */
  writeBack(): void {
    for (const counter of this.#touched.values()) {
      const { key, known, used, credited, lost, endsMs, changed } = counter
      if (changed === 'nothing') continue
      if (isEmpty(counter)) {
        if (known) this.#remove.run(key)
      } else if (known && changed === 'used') this.#use.run(key, used)
      else this.#write.run(key, used, credited, lost, endsMs)
    }
    this.#touched.clear()
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#touched.clear()
  }

  #touch(key: Uint8Array): Touched {
    const name = nameOf(key)
    let counter = this.#touched.get(name)
    if (counter === undefined) {
      counter = touched(key, this.#read.get(key))
      this.#touched.set(name, counter)
    }
    return counter
  }
}

/** A key as a property name. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}

function touched(key: Uint8Array, row: Readonly<Record<string, unknown>> | undefined): Touched {
  if (row === undefined)
    return { key, known: false, used: 0n, credited: null, lost: 0n, endsMs: null, changed: 'nothing' }
  const ends = row['ends_ms'] as bigint | null
  return {
    key,
    known: true,
    used: row['used'] as bigint,
    credited: row['credited'] as bigint | null,
    lost: row['lost'] as bigint,
    endsMs: ends === null ? null : Number(ends),
    changed: 'nothing',
  }
}

/** Neither used nor credited: what is not worth a row. */
function isEmpty({ used, credited }: Touched): boolean {
  return used === 0n && credited === null
}

/** One that somebody has removed from the file stays away. */
function isThere({ known, changed }: Touched): boolean {
  return known || changed !== 'nothing'
}

function changeUsed(counter: Touched, by: bigint): void {
  const used = counter.used + by
  // Less than nothing is used only where somebody has changed the file; never a present (rule 5).
  counter.used = used < 0n ? 0n : used
  if (counter.changed === 'nothing') counter.changed = 'used'
}

function atMost(sum: bigint): bigint {
  return sum < COUNTER_MAX ? sum : COUNTER_MAX
}
