/** The file of the grants: its tables, and whose it is. */

import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { L402Error } from '@turnpike/l402'

const APPLICATION_ID = 0x67726e74
const SCHEMA = `
  CREATE TABLE grants (
    id            TEXT PRIMARY KEY,
    secret_hash   BLOB NOT NULL CHECK (length(secret_hash) = 32),
    total_msat    INTEGER NOT NULL CHECK (total_msat >= 0),
    request_msat  INTEGER,
    hosts         TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    task          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
  ) STRICT;
  CREATE TABLE holds (
    row           INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_hash  BLOB NOT NULL UNIQUE CHECK (length(payment_hash) = 32),
    grant_id      TEXT NOT NULL REFERENCES grants (id),
    msat          INTEGER NOT NULL CHECK (msat >= 0),
    open          INTEGER NOT NULL CHECK (open IN (0, 1)),
    created_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX holds_by_grant ON holds (grant_id, open);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = 1;
`

/** Came later; versions before it pass over it. A row of `holds` is never used again. */
const RENEWALS = `
  CREATE TABLE IF NOT EXISTS renewals (
    hold  INTEGER NOT NULL REFERENCES holds (row) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (hold, at_ms)
  ) STRICT;
`

/** Opens it, making folder (0700) and file (0600) where they are missing. Throws `store_unavailable` or `store_incompatible`. */
export function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    db = new DatabaseSync(file)
    db.exec('PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    db.exec('BEGIN IMMEDIATE')
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    const owner = Number(db.prepare('PRAGMA application_id').get()?.['application_id'])
    if (version === 0 && owner === 0) db.exec(SCHEMA)
    if (owner === APPLICATION_ID || (version === 0 && owner === 0)) db.exec(RENEWALS)
    db.exec('COMMIT')
    if (version > 1 || (version === 1 && owner !== APPLICATION_ID))
      throw new L402Error('store_incompatible', `${file} is another program's, or a newer fare's`)
    return db
  } catch (error) {
    db?.close()
    if (error instanceof L402Error) throw error
    const said = error instanceof Error ? error.message : String(error)
    throw new L402Error('store_unavailable', `the grants in ${file} cannot be used: ${said}`, {
      cause: error,
    })
  }
}
