/** Opening a purse's database: who may read it, what it must be, and its faults in this library's words. */

import { chmodSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isL402Error, L402Error } from '../../core/errors.ts'
import { readMarks } from '../lib/file-marks.ts'
import { makeFile, makeFolder } from '../lib/private-files.ts'
import { transaction } from '../lib/transaction.ts'
import { sqliteCode, useWriteAheadLog } from '../lib/write-ahead-log.ts'
import { APPLICATION_ID, MIGRATIONS } from './schema.ts'

const CORRUPT = 11
const NOT_A_DATABASE = 26
const BUSY_TIMEOUT_MS = 5_000

/** Puts a fault of SQLite or the file system into an {@link L402Error}; passes anything else through. */
export function storeFault(error: unknown, file: string): unknown {
  if (isL402Error(error)) return error
  const code = sqliteCode(error)
  if (code === CORRUPT || code === NOT_A_DATABASE) {
    return new L402Error(
      'store_incompatible',
      `${file} is not a purse, or it is damaged: expected an SQLite database that this program made`,
      { cause: error },
    )
  }
  const closed = error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE'
  if (code !== undefined || closed || (error instanceof Error && 'syscall' in error)) {
    return new L402Error(
      'store_unavailable',
      `the purse ${file} cannot be used: ${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
  return error
}

/** Opens the database of a purse, making folder (0700), file (0600) and tables where they are missing (rule C10). */
export function openPurse(file: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    makePrivate(file)
    db = new DatabaseSync(file)
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    assertOurs(db, file)
    if (!useWriteAheadLog(db, BUSY_TIMEOUT_MS)) {
      throw new L402Error('store_unavailable', 'the purse needs a file system that supports WAL')
    }
    // Nothing is acknowledged before it is on the disk (rule C3).
    db.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    migrate(db, file)
    return db
  } catch (error) {
    db?.close()
    throw storeFault(error, file)
  }
}

function makePrivate(file: string): void {
  makeFolder(dirname(file))
  if (!makeFile(file)) {
    // Never opened and closed by hand when it exists: that would drop this process's own POSIX locks on it.
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
  }
}

function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get()
  return Number(row?.[name] ?? 0)
}

function assertOurs(db: DatabaseSync, file: string): void {
  const { application, version, tables } = readMarks(db)
  if (application !== APPLICATION_ID && !(tables === 0 && application === 0 && version === 0)) {
    throw new L402Error('store_incompatible', `${file} is a database of another program, expected a purse`)
  }
  if (version > MIGRATIONS.length) {
    throw new L402Error(
      'store_incompatible',
      `${file} has version ${version}, this program knows up to ${MIGRATIONS.length}: use the newer program`,
    )
  }
}

function migrate(db: DatabaseSync, file: string): void {
  if (pragma(db, 'user_version') === MIGRATIONS.length) return
  transaction(db, () => {
    // Another process may have been first, or be newer.
    assertOurs(db, file)
    for (const step of MIGRATIONS.slice(pragma(db, 'user_version'))) db.exec(step)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`)
  })
}
