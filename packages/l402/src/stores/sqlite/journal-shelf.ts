import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import { PendingChange, type Shelf, type ShelfEntry, type ShelfView } from '../journal/shelf.ts'
import { connect, prepareFile } from './schema.ts'

/**
 * A journal's shelf in the file of a ledger, as a table of its own. Waits for the disk, so it lives in a worker thread
 * (journal-worker.ts), which asks for one thing after the other.
 */
export function sqliteShelf(file: string, busyTimeoutMs: number): Shelf {
  // The ledger's own check: never a table in another program's database.
  prepareFile(file, busyTimeoutMs).close()
  const inode = inodeOf(file)
  const db = connect(file, busyTimeoutMs)
  db.exec(
    'CREATE TABLE IF NOT EXISTS journal(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID',
  )
  const get = db.prepare('SELECT value FROM journal WHERE name = ?')
  const up = db.prepare('SELECT name, value FROM journal WHERE name >= ? AND name < ? ORDER BY name LIMIT ?')
  const down = db.prepare(
    'SELECT name, value FROM journal WHERE name >= ? AND name < ? ORDER BY name DESC LIMIT ?',
  )
  const put = db.prepare('INSERT OR REPLACE INTO journal VALUES (?, ?)')
  const remove = db.prepare('DELETE FROM journal WHERE name = ?')
  const view: ShelfView = {
    get: async (name) => get.get(name)?.['value'] as string | undefined,
    scan: async ({ from, to, limit, reverse = false }) =>
      (reverse ? down : up)
        .all(from, to, limit)
        .map((row): ShelfEntry => [String(row['name']), String(row['value'])]),
  }
  const checkPlace = (): void => {
    // SQLite would go on writing to a file that nobody will ever open again.
    if (inodeOf(file) !== inode)
      throw new L402Error('store_unavailable', `the journal ${file} was moved, replaced or deleted`)
  }
  return {
    async read(work) {
      checkPlace()
      return guarded(file, () => work(view))
    },
    async change(work) {
      checkPlace()
      return guarded(file, () =>
        inTransaction(db, async () => {
          const change = new PendingChange(view)
          const result = await work(change)
          for (const [name, value] of change.writes) {
            if (value === null) remove.run(name)
            else put.run(name, value)
          }
          return result
        }),
      )
    },
    async close() {
      db.close()
    },
  }
}

/** Nothing else may run on this connection meanwhile. */
async function inTransaction<T>(db: DatabaseSync, work: () => Promise<T>): Promise<T> {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = await work()
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

async function guarded<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof L402Error) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new L402Error('store_unavailable', `the journal ${file} could not be written: ${why}`)
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}
