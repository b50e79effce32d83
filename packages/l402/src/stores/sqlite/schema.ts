import { closeSync, openSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import { readMarks } from '../lib/file-marks.ts'
import { transaction } from '../lib/transaction.ts'
import { sqliteCode, useWriteAheadLog } from '../lib/write-ahead-log.ts'
import { MIGRATIONS } from './migrations.ts'

/** `PRAGMA application_id` of a ledger file: 'TPLG'. */
const APPLICATION_ID = 0x54504c47

/** A connection with the settings every one needs. */
export function connect(file: string, busyTimeoutMs: number): DatabaseSync {
  const db = new DatabaseSync(file)
  // FULL: in WAL mode a transaction is on disk when COMMIT returns (rule 9).
  db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA synchronous = FULL`)
  return db
}

/** Brings an empty or older file to this version; refuses one it must not touch. */
export function prepareFile(file: string, busyTimeoutMs: number): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    db = connect(file, busyTimeoutMs)
    checkOrigin(db, file)
    if (!useWriteAheadLog(db, busyTimeoutMs))
      throw new L402Error(
        'store_unavailable',
        `the ledger ${file} is on a file system without SQLite's WAL mode`,
      )
    migrate(db, file)
    return db
  } catch (error) {
    db?.close()
    throw openFault(error, file)
  }
}

/**
 * Makes the file, for its owner alone, if it is missing. Answers its one real path: processes that come over
 * different links must find each other's owner files.
 */
export function ensureFile(file: string): string {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw new L402Error('store_unavailable', `the folder of the ledger does not exist: ${dirname(file)}`)
    if (code !== 'EEXIST')
      throw new L402Error('store_unavailable', `the ledger ${file} cannot be created: ${code}`, {
        cause: error,
      })
  }
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new L402Error('store_incompatible', `the ledger ${file} is not a file: expected a SQLite database`)
  return realpathSync(file)
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}

function checkOrigin(db: DatabaseSync, file: string): void {
  const { application, version, tables } = readMarks(db)
  if (tables > 0 && application !== APPLICATION_ID)
    throw new L402Error(
      'store_incompatible',
      `${file} is a SQLite database of another program, not a ledger: name another file`,
    )
  if (version > MIGRATIONS.length)
    throw new L402Error(
      'store_incompatible',
      `the ledger ${file} has version ${version}, this program knows up to ${MIGRATIONS.length}: ` +
        'use the newer program that wrote it, or restore the copy made before the upgrade',
      { details: { version, known: MIGRATIONS.length } },
    )
}

function migrate(db: DatabaseSync, file: string): void {
  if (versionOf(db) === MIGRATIONS.length) return
  transaction(db, () => {
    checkOrigin(db, file) // another process may have been here first
    for (let version = versionOf(db); version < MIGRATIONS.length; version++) MIGRATIONS[version]?.(db, file)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`)
  })
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** The fault to throw when a file does not open. */
export function openFault(error: unknown, file: string): unknown {
  if (error instanceof L402Error) return error
  const { message } = error as Error
  const primary = sqliteCode(error)
  if (primary === SQLITE_NOTADB || primary === SQLITE_CORRUPT)
    return new L402Error(
      'store_incompatible',
      `${file} is not a ledger: expected a SQLite database, found other bytes or a damaged one`,
      {
        cause: error,
      },
    )
  return new L402Error('store_unavailable', `the ledger ${file} cannot be opened: ${message}`, {
    cause: error,
  })
}
