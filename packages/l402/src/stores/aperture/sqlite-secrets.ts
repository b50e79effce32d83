import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import { sqliteCode } from '../lib/write-ahead-log.ts'
import type { StoredRootKeys } from '../root-keys.ts'
import { notAperture, secretOf, unreadable } from './secret.ts'

const SQLITE_ERROR = 1
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** How long a lock is waited for, in this thread. In WAL mode, which Aperture uses, readers wait for nobody. */
const BUSY_TIMEOUT_MS = 100

interface Reader {
  readonly db: DatabaseSync
  readonly find: StatementSync
  /** Which file it has open. */
  readonly inode: number
}

/** Aperture's `secrets` in a SQLite file, opened for reading only. Throws like `apertureSecrets`. */
export function sqliteSecrets(name: string): StoredRootKeys {
  if (name === '' || name === ':memory:') throw new RangeError('apertureSecrets needs the path of a file')
  // Absolute: the process may change its folder, and SQLite reads `file:…` names as URIs.
  const file = resolve(name)
  let reader: Reader | undefined = open(file)
  let closed = false

  /** The open file, or the one that has taken its place (a copy that was restored). */
  function current(): Reader {
    if (reader !== undefined && reader.inode === inodeOf(file)) return reader
    drop()
    reader = open(file)
    return reader
  }

  function drop(): void {
    reader?.db.close()
    reader = undefined
  }

  return {
    async rootKey(identifierHash) {
      if (closed) throw unreadable(file, 'it is closed')
      try {
        return secretOf(current().find.get(identifierHash)?.['secret'])
      } catch (error) {
        if (error instanceof L402Error) throw asUnavailable(error)
        drop()
        throw unreadable(file, textOf(error), error)
      }
    },
    async close() {
      closed = true
      drop()
    },
  }
}

function open(file: string): Reader {
  let db: DatabaseSync | undefined
  try {
    const inode = inodeOf(file)
    db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    return { db, find: db.prepare('SELECT secret FROM secrets WHERE hash = ?'), inode }
  } catch (error) {
    db?.close()
    throw openFault(error, file)
  }
}

function inodeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) throw unreadable(file, 'no such file')
  return found.ino
}

/** The fault to throw when a file does not open. */
function openFault(error: unknown, file: string): unknown {
  if (error instanceof L402Error) return error
  const code = sqliteCode(error)
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT)
    return notAperture(file, 'other bytes or a damaged one', error)
  // What does not compile: no such table, no such column.
  if (code === SQLITE_ERROR) return notAperture(file, textOf(error), error)
  return unreadable(file, textOf(error), error)
}

/** Once it has been open, whatever has become of the file is a matter of waiting for it. */
function asUnavailable(error: L402Error): L402Error {
  return error.code === 'store_unavailable'
    ? error
    : new L402Error('store_unavailable', error.message, { cause: error })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
