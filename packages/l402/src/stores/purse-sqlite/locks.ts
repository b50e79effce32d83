/**
 * Locks that hold across processes and die with theirs (rule C5): an exclusive transaction on a small database file
 * of its own, which the operating system ends when the process does.
 */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import { type LockQueue, lockQueue } from '../lib/lock-queue.ts'
import { pause } from '../lib/pause.ts'
import { makeFile, makeFolder } from '../lib/private-files.ts'
import { isBusy } from '../lib/write-ahead-log.ts'
import { storeFault } from './open.ts'

/** How often a lock that another process holds is tried again. */
const RETRY_MS = 15

// One queue per process, whoever opened the purse: two connections of one process need not poll for each other.
const queue: LockQueue = lockQueue()

/**
 * Runs `task` while holding the lock of `name` in `folder`. Names share 4,096 files, so that a purse does not gather a
 * file per URL; sharing only makes a task wait. A task must not take another lock of the same folder.
 */
export function withFileLock<T>(
  folder: string,
  name: string,
  options: { readonly task: () => Promise<T>; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  const slot = encodeHex(sha256(encodeUtf8(name))).slice(0, 3)
  const file = join(folder, `${slot}.lock`)
  return queue.run(
    file,
    async () => {
      const db = await acquire(folder, file, options.signal)
      try {
        return await options.task()
      } finally {
        // Closing ends the transaction and frees the lock.
        db.close()
      }
    },
    options.signal,
  )
}

async function acquire(folder: string, file: string, signal?: AbortSignal): Promise<DatabaseSync> {
  let db: DatabaseSync | undefined
  try {
    makeFolder(folder)
    makeFile(file)
    db = new DatabaseSync(file)
    // No waiting inside SQLite: that would stop the event loop.
    db.exec('PRAGMA busy_timeout = 0')
    while (!tryLock(db)) await pause(RETRY_MS, signal)
    return db
  } catch (error) {
    db?.close()
    throw storeFault(error, file)
  }
}

function tryLock(db: DatabaseSync): boolean {
  try {
    db.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}
