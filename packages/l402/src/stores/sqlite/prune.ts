import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { END_GRACE_MS } from '../lib/ends.ts'
import { RATE_GRACE_MS } from '../lib/rate-log.ts'
import { nameOf } from './counters.ts'
import { unpackUses } from './uses.ts'

/** Most rows of one kind that one run removes, so that it never holds up requests. */
const ROWS = 1_000

/** How many rows a run has removed, and whether it has left some for the next one. */
export interface Pruned {
  readonly rows: number
  readonly more: boolean
}

/**
 * Removes what nothing can refer to any more. The space of removed rows is used again by new ones; the file itself never
 * shrinks.
 */
export class Pruner {
  readonly #ended: StatementSync
  readonly #held: StatementSync
  readonly #remove: StatementSync
  readonly #others: readonly { readonly statement: StatementSync; readonly graceMs: number }[]

  constructor(db: DatabaseSync) {
    this.#ended = db.prepare('SELECT key FROM counters WHERE ends_ms <= ? ORDER BY ends_ms')
    this.#held = db.prepare('SELECT uses FROM reservations')
    this.#remove = db.prepare('DELETE FROM counters WHERE key = ?')
    const due = (table: string, key: string, time: string, graceMs: number) => ({
      graceMs,
      statement: db.prepare(
        `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${time} <= ? LIMIT ${ROWS})`,
      ),
    })
    this.#others = [
      due('redemptions', 'payment_hash', 'ends_ms', END_GRACE_MS),
      due('windows', 'key', 'forget_at_ms', 0),
      // Kept longer than asked for, in case the clock is set back.
      due('marks', 'mark', 'until_ms', RATE_GRACE_MS),
      due('claims', 'key', 'owner IS NULL AND until_ms', RATE_GRACE_MS),
    ]
  }

  /** Inside a transaction, when nothing of it is still to be written. */
  run(nowMs: number): Pruned {
    const counters = this.#endedCounters(nowMs - END_GRACE_MS)
    for (const key of counters) this.#remove.run(key)
    let rows = counters.length
    let more = rows === ROWS
    for (const { statement, graceMs } of this.#others) {
      const removed = Number(statement.run(nowMs - graceMs).changes)
      rows += removed
      more ||= removed === ROWS
    }
    return { rows, more }
  }

  /** Those that no reservation holds: a request may go on longer than its credential is good. */
  #endedCounters(beforeMs: number): readonly Uint8Array[] {
    const keys: Uint8Array[] = []
    let held: ReadonlySet<string> | undefined
    for (const row of this.#ended.iterate(beforeMs)) {
      const key = row['key'] as Uint8Array
      held ??= this.#heldKeys()
      if (!held.has(nameOf(key)) && keys.push(key) === ROWS) break
    }
    return keys
  }

  #heldKeys(): ReadonlySet<string> {
    const held = new Set<string>()
    for (const row of this.#held.iterate())
      for (const { key } of unpackUses(row['uses'] as Uint8Array)) held.add(nameOf(key))
    return held
  }
}
