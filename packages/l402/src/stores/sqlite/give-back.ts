import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BatchReader } from './batch.ts'

/** What giving back is made of. */
export interface GiveBack {
  readonly subtract: StatementSync
  readonly dropUnused: StatementSync
}

/** Prepares {@link giveBack} on a connection. */
export function prepareGiveBack(db: DatabaseSync): GiveBack {
  return {
    subtract: db.prepare('UPDATE counters SET used = used - ?2 WHERE key = ?1'),
    // A holder can name new counters without end and have each request end unserved: nothing may stay of them.
    dropUnused: db.prepare('DELETE FROM counters WHERE key = ? AND used = 0'),
  }
}

/** Subtracts the uses of a reservation, as they stand in its row. In a transaction. */
export function giveBack({ subtract, dropUnused }: GiveBack, uses: Uint8Array): void {
  const reader = new BatchReader(uses)
  while (reader.more) {
    const key = reader.take(32)
    subtract.run(key, reader.i64())
    dropUnused.run(key)
    reader.i64()
  }
}
