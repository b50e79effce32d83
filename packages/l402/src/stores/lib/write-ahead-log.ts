import type { DatabaseSync } from 'node:sqlite'

const BUSY = 5
const RETRY_MS = 10

/** SQLite's primary result code of an error, if it is one of SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** Whether another connection holds what this one wanted. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY
}

/**
 * Switches a database to WAL mode; `false` where its file system cannot. SQLite does not wait for others with this, as
 * it does everywhere else, so the waiting is done here: this thread stands still for up to `busyTimeoutMs`.
 */
export function useWriteAheadLog(db: DatabaseSync, busyTimeoutMs: number): boolean {
  const endsAt = performance.now() + busyTimeoutMs
  for (;;) {
    try {
      return db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'] === 'wal'
    } catch (error) {
      if (!isBusy(error) || performance.now() > endsAt) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}
