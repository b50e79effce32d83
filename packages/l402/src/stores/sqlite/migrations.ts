import type { DatabaseSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import { ByteReader } from './bytes.ts'
import { lockOwner } from './owners.ts'

/** Brings a file to its next version, in one transaction with all other steps. */
type Migration = (db: DatabaseSync, file: string) => void

/** Step n brings a file of version n to version n+1. Only ever appended to. */
export const MIGRATIONS: readonly Migration[] = [
  (db) =>
    db.exec(
      `CREATE TABLE ids(next INTEGER NOT NULL) STRICT;
       INSERT INTO ids VALUES (1);
       CREATE TABLE counters(key BLOB PRIMARY KEY, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;
       CREATE TABLE reservations(
         id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, serving INTEGER NOT NULL, uses BLOB NOT NULL
       ) STRICT;
       CREATE TABLE owners(id INTEGER PRIMARY KEY) STRICT;
       CREATE TABLE redemptions(
         payment_hash BLOB PRIMARY KEY, token_id BLOB NOT NULL, service TEXT NOT NULL, first_seen_ms INTEGER NOT NULL
       ) STRICT, WITHOUT ROWID;
       CREATE TABLE revocations(
         seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL, at_ms INTEGER NOT NULL, UNIQUE(kind, key)
       ) STRICT;`,
    ),
  // Accounts, ends, windows, marks and claims. Two of its tables have long rows, which `WITHOUT ROWID` is not made for.
  (db, file) => {
    endReservationsOfVersion1(db, file)
    db.exec(
      `ALTER TABLE counters ADD COLUMN credited INTEGER;
       ALTER TABLE counters ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
       ALTER TABLE counters ADD COLUMN ends_ms INTEGER;
       CREATE INDEX counters_by_end ON counters(ends_ms) WHERE ends_ms IS NOT NULL;
       ALTER TABLE redemptions ADD COLUMN ends_ms INTEGER;
       CREATE INDEX redemptions_by_end ON redemptions(ends_ms) WHERE ends_ms IS NOT NULL;
       CREATE TABLE windows(key BLOB PRIMARY KEY, log BLOB NOT NULL, forget_at_ms INTEGER NOT NULL) STRICT;
       CREATE INDEX windows_by_end ON windows(forget_at_ms);
       CREATE TABLE marks(mark BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
       CREATE INDEX marks_by_end ON marks(until_ms);
       CREATE TABLE claims(
         key BLOB PRIMARY KEY, owner INTEGER, digest BLOB NOT NULL, answer BLOB, until_ms INTEGER NOT NULL
       ) STRICT;
       CREATE INDEX claims_by_owner ON claims(owner) WHERE owner IS NOT NULL;
       CREATE INDEX claims_by_end ON claims(until_ms) WHERE owner IS NULL;`,
    )
  },
]

/**
 * What is reserved in a file of version 1 has another layout, so it ends here: what was being served counts, the rest is
 * given back. A process of that version that is still alive would be robbed of it; it has to be ended first.
 */
function endReservationsOfVersion1(db: DatabaseSync, file: string): void {
  for (const { id } of db.prepare('SELECT id FROM owners').all()) {
    const owner = lockOwner(file, BigInt(Number(id)))
    if (owner === undefined)
      throw new L402Error(
        'store_unavailable',
        `the ledger ${file} is still open in a process of an older version: end that process, then start this one again`,
      )
    owner.drop()
  }
  const giveBack = db.prepare('UPDATE counters SET used = used - ? WHERE key = ?')
  for (const { uses } of db.prepare('SELECT uses FROM reservations WHERE serving = 0').all()) {
    const reader = new ByteReader(uses as Uint8Array)
    while (reader.more) {
      const key = reader.take(32)
      giveBack.run(reader.i64(), key)
      reader.i64()
    }
  }
  db.exec('DELETE FROM counters WHERE used <= 0; DELETE FROM reservations; DELETE FROM owners')
}
