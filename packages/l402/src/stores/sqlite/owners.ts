import { closeSync, existsSync, openSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { transaction } from '../lib/transaction.ts'
import { Counters } from './counters.ts'
import { unpackUses } from './uses.ts'

/**
 * Who holds which reservation. Every open ledger is an owner and keeps a small file `<file>.owner-<id>` locked through
 * SQLite: the operating system drops the lock when the process dies, however it dies, so whoever can take it knows
 * that the owner is gone and gives its reservations back (rule 3). A process that is merely slow keeps its lock.
 */
export interface Owner {
  readonly id: bigint
  /** Drops the lock and removes the file; after the owner's row is gone. */
  drop(): void
}

const pathOf = (file: string, id: bigint): string => `${file}.owner-${id}`

/** Locks an owner's file, made if it is missing; `undefined` when it is held, or cannot be told. */
export function lockOwner(file: string, id: bigint): Owner | undefined {
  const path = pathOf(file, id)
  let holder: DatabaseSync | undefined
  try {
    holder = new DatabaseSync(path)
    // Nothing is ever written, so no journal is wanted beside it.
    holder.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch {
    holder?.close()
    return undefined
  }
  const held = holder
  return {
    id,
    drop(): void {
      held.close()
      rmSync(path, { force: true })
    },
  }
}

/** Makes this ledger an owner. Its row appears when its file is locked already. */
export function becomeOwner(db: DatabaseSync, file: string): Owner {
  return transaction(db, () => {
    removeStrays(db, file)
    const id = takeIds(db, 1n)
    closeSync(openSync(pathOf(file, id), 'wx', 0o600))
    const owner = lockOwner(file, id)
    if (owner === undefined) throw new Error('the owner file is locked by another process')
    db.prepare('INSERT INTO owners VALUES (?)').run(id)
    return owner
  })
}

/** Takes `count` numbers that nobody ever had; answers the first. Inside a transaction. */
export function takeIds(db: DatabaseSync, count: bigint): bigint {
  const take = db.prepare('UPDATE ids SET next = next + ? RETURNING next')
  take.setReadBigInts(true)
  return (take.get(count)?.['next'] as bigint) - count
}

/** Files of owners that died before they were recorded, or after they were forgotten. */
function removeStrays(db: DatabaseSync, file: string): void {
  const known = new Set(ownerIds(db))
  const prefix = `${basename(file)}.owner-`
  for (const name of readdirSync(dirname(file))) {
    const id = name.startsWith(prefix) ? name.slice(prefix.length) : ''
    if (/^\d+$/.test(id) && !known.has(BigInt(id))) rmSync(join(dirname(file), name), { force: true })
  }
}

function ownerIds(db: DatabaseSync): readonly bigint[] {
  const select = db.prepare('SELECT id FROM owners')
  select.setReadBigInts(true)
  return select.all().map((row) => row['id'] as bigint)
}

/** Gives back what dead owners held. Any process may, at any time; exactly one of them does. */
export function sweepOwners(db: DatabaseSync, file: string, self: bigint): void {
  for (const id of ownerIds(db)) {
    if (id === self) continue
    // Without its file (the database alone was restored from a backup, say) an owner is dead too.
    const dead = existsSync(pathOf(file, id)) ? lockOwner(file, id) : { id, drop: () => {} }
    if (dead === undefined) continue
    try {
      transaction(db, () => forgetOwner(db, id))
    } finally {
      dead.drop()
    }
  }
}

/**
 * Ends everything an owner holds, and its row: what was being served counts, the rest is given back; claims that were
 * being served come to what was said of them, and the others are nobody's. In a transaction.
 */
export function forgetOwner(db: DatabaseSync, id: bigint): void {
  const held = db.prepare('DELETE FROM reservations WHERE owner = ? RETURNING serving, uses').all(id)
  const counters = new Counters(db)
  for (const row of held) if (row['serving'] === 0) counters.giveBack(unpackUses(row['uses'] as Uint8Array))
  counters.writeBack()
  db.prepare('UPDATE claims SET owner = NULL WHERE owner = ? AND answer IS NOT NULL').run(id)
  db.prepare('DELETE FROM claims WHERE owner = ?').run(id)
  db.prepare('DELETE FROM owners WHERE id = ?').run(id)
}
