import type { DatabaseSync } from 'node:sqlite'

/** Runs `work` in one transaction: all of it is durable when this returns, nothing of it was done when this throws. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    try {
      db.exec('ROLLBACK')
    } catch {
      // Some errors, a full disk among them, have rolled back already.
    }
    throw error
  }
}
