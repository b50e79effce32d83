/** The purse of a user: one SQLite file that all processes share, through `node:sqlite` (Node 22.13 and newer). */

import { resolve } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { formatBudget, parseBudget } from '../lib/budget-json.ts'
import {
  alreadyOnBooks,
  assertBudget,
  assertIntent,
  assertMsat,
  assertOpen,
  assertPreimage,
  type Books,
  checkBudget,
  credentialBought,
  credentialIdOf,
  DAY_MS,
  forgivenSince,
  HOUR_MS,
  mayConclude,
  noSuchPayment,
  ownLimits,
} from '../lib/purse-rules.ts'
import { transaction } from '../lib/transaction.ts'
import { DEFAULT_BUDGET, type PaymentRecord, type PurseStore, type SpentBy } from '../purse.ts'
import { withFileLock } from './locks.ts'
import { openPurse, storeFault } from './open.ts'
import {
  credentialOf,
  credentialParameters,
  intentParameters,
  type Parameters,
  paymentOf,
  quoteOf,
  quoteParameters,
  type Row,
} from './rows.ts'

/** Options of {@link sqlitePurse}. */
export interface SqlitePurseOptions {
  /** Path of the database; folder (0700) and file (0600) are made where missing. Locks live in `<file>.locks/`. */
  readonly file: string
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
}

/** Name of the note that says since when a host's unserved payments count. */
const FORGIVEN = 'forgiven'

const CREDENTIAL_COLUMNS = `*, (
  SELECT json_group_array(scope) FROM rejections WHERE credential_id = credentials.id
) AS rejected_for`

/**
 * Opens a purse in SQLite. Throws `store_incompatible` for a damaged, foreign or newer file and `store_unavailable`
 * where it cannot be used.
 *
 * @example
 * const purse = sqlitePurse({ file: '/home/me/.local/share/fare/purse.db' })
 */
export function sqlitePurse(options: SqlitePurseOptions): PurseStore {
  const file = resolve(options.file)
  const now = options.now ?? Date.now
  const db: DatabaseSync = openPurse(file)
  const prepared = new Map<string, StatementSync>()
  let closed = false

  const sql = (source: string): StatementSync => {
    const known = prepared.get(source)
    if (known) return known
    const statement = db.prepare(source)
    statement.setReadBigInts(true)
    prepared.set(source, statement)
    return statement
  }
  const insert = (into: string, values: Parameters): void => {
    const names = Object.keys(values)
    const places = names.map((name) => `:${name}`)
    sql(`INSERT ${into} (${names.join(', ')}) VALUES (${places.join(', ')})`).run(values)
  }
  const run = async <T>(work: () => T): Promise<T> => {
    try {
      return work()
    } catch (error) {
      throw storeFault(error, file)
    }
  }
  const write = <T>(work: () => T): Promise<T> => run(() => transaction(db, work))

  const find = (paymentHash: Uint8Array): PaymentRecord | undefined => {
    const row = sql('SELECT * FROM payments WHERE payment_hash = ?').get(paymentHash)
    return row && paymentOf(row)
  }
  const get = (paymentHash: Uint8Array): PaymentRecord => {
    const record = find(paymentHash)
    if (!record) throw noSuchPayment(paymentHash)
    return record
  }
  const payments = (clauses: string, ...values: (string | number)[]): PaymentRecord[] =>
    sql(`SELECT * FROM payments ${clauses}`)
      .all(...values)
      .map((row: Row) => paymentOf(row))
  const spentSince = ({ host, payee, task }: SpentBy, sinceMs: number): { msat: bigint; count: number } => {
    const row = sql(
      `SELECT count(*) AS n, coalesce(sum(amount_msat + CASE
         WHEN state IN ('settled', 'paid_unproven') THEN fee_msat ELSE max_fee_msat END), 0) AS msat
       FROM payments
       WHERE state <> 'failed' AND created_at_ms > :since AND (:host IS NULL OR host = :host)
         AND (:payee IS NULL OR payee = :payee) AND (:task IS NULL OR task = :task)`,
    ).get({
      host: host ?? null,
      payee: payee ?? null,
      task: task ?? null,
      since: Math.max(sinceMs, Number.MIN_SAFE_INTEGER),
    })
    return { msat: BigInt(row?.['msat'] as bigint), count: Number(row?.['n']) }
  }
  const books: Books = {
    spentSince,
    unservedSince(host, sinceMs) {
      const forgivenAt = forgivenSince(readNote(host, FORGIVEN), now())
      const row = sql(
        `SELECT count(*) AS n FROM payments WHERE host = ? AND created_at_ms > ? AND served = 'not_served'`,
      ).get(host, Math.max(sinceMs, forgivenAt))
      return Number(row?.['n'])
    },
  }
  const readNote = (subject: string, name: string): string | undefined => {
    const row = sql('SELECT text FROM notes WHERE subject = ? AND name = ?').get(subject, name)
    return row && String(row['text'])
  }
  const writeNote = (subject: string, name: string, text: string): Promise<void> =>
    write(() => insert('OR REPLACE INTO notes', { subject, name, text }))
  const readBudget = () => {
    const row = sql('SELECT json FROM budget').get()
    return row ? parseBudget(String(row['json'])) : DEFAULT_BUDGET
  }

  return {
    budget: () => run(readBudget),
    async setBudget(budget) {
      assertBudget(budget)
      await write(() => insert('OR REPLACE INTO budget', { only: 1, json: formatBudget(budget) }))
    },
    async reserve(intent, limits) {
      assertIntent(intent)
      // Check and intent in one transaction: two processes cannot both see the last satoshi.
      return write(() => {
        const before = find(intent.paymentHash)
        if (before && before.state !== 'failed') throw alreadyOnBooks(intent.paymentHash)
        const fits = checkBudget(limits, intent, books)
        if (!fits.ok) return fits
        sql('DELETE FROM payments WHERE payment_hash = ?').run(intent.paymentHash)
        insert('INTO payments', {
          ...intentParameters(intent),
          state: 'reserved',
          served: 'unserved',
          preimage: null,
          fee_msat: 0,
          last_status: 0,
          detail: '',
          updated_at_ms: now(),
        })
        return { ok: true }
      })
    },
    fits: (cost, limits) => run(() => checkBudget(limits, cost, books)),
    beginPaying: (paymentHash) =>
      write(() => {
        get(paymentHash)
        const { changes } = sql(
          `UPDATE payments SET state = 'in_flight', updated_at_ms = ?
           WHERE payment_hash = ? AND state = 'reserved'`,
        ).run(now(), paymentHash)
        return Number(changes) === 1
      }),
    async settle(paymentHash, { preimage, feeMsat }) {
      assertPreimage(preimage, paymentHash)
      assertMsat('feeMsat', feeMsat)
      return write(() => {
        const record = get(paymentHash)
        const id = credentialIdOf(record.macaroon, preimage)
        const held = sql(`SELECT ${CREDENTIAL_COLUMNS} FROM credentials WHERE id = ?`).get(id)
        if (record.state === 'settled' && held) return credentialOf(held)
        sql(
          `UPDATE payments SET state = 'settled', preimage = ?, fee_msat = ?, detail = '', updated_at_ms = ?
           WHERE payment_hash = ?`,
        ).run(preimage, feeMsat, now(), paymentHash)
        const credential = credentialBought(record, preimage, { feeMsat, nowMs: now() })
        // It may have come from elsewhere meanwhile.
        insert('OR REPLACE INTO credentials', credentialParameters(credential))
        return credential
      })
    },
    renew: (paymentHash, { nowMs, orderEndsAtMs, detail }, limits) =>
      write(() => {
        const record = get(paymentHash)
        assertOpen(record)
        const change = sql(
          'UPDATE payments SET state = ?, created_at_ms = ?, order_ends_at_ms = ?, detail = ?, updated_at_ms = ? WHERE payment_hash = ?',
        )
        const { state, createdAtMs, orderEndsAtMs: ends = null, detail: before, updatedAtMs } = record
        // What it holds itself does not stand in its way.
        change.run('failed', createdAtMs, ends, before, updatedAtMs, paymentHash)
        const fits = checkBudget(limits, { ...record, createdAtMs: nowMs }, books)
        if (fits.ok) change.run('unknown', nowMs, orderEndsAtMs, detail, now(), paymentHash)
        else change.run(state, createdAtMs, ends, before, updatedAtMs, paymentHash)
        return fits
      }),
    async conclude(paymentHash, { state, feeMsat, detail }) {
      if (feeMsat !== undefined) assertMsat('feeMsat', feeMsat)
      await write(() => {
        const record = get(paymentHash)
        if (!mayConclude(record.state, state)) return
        sql(
          'UPDATE payments SET state = ?, fee_msat = ?, detail = ?, updated_at_ms = ? WHERE payment_hash = ?',
        ).run(state, feeMsat ?? record.feeMsat, detail, now(), paymentHash)
      })
    },
    async recordServed(paymentHash, served, httpStatus) {
      await write(() => {
        get(paymentHash)
        sql(
          `UPDATE payments SET served = CASE served WHEN 'redeemed' THEN served ELSE ? END,
             last_status = ?, updated_at_ms = ? WHERE payment_hash = ?`,
        ).run(served, httpStatus, now(), paymentHash)
      })
    },
    openPayments: (scope) =>
      run(() =>
        scope === undefined
          ? payments("WHERE state IN ('reserved', 'in_flight', 'unknown') ORDER BY created_at_ms, rowid")
          : payments(
              "WHERE state IN ('reserved', 'in_flight', 'unknown') AND scope = ? ORDER BY created_at_ms, rowid",
              scope,
            ),
      ),
    payments: (limit, scope) =>
      run(() =>
        scope === undefined
          ? payments('ORDER BY created_at_ms DESC, rowid DESC LIMIT ?', limit)
          : payments('WHERE scope = ? ORDER BY created_at_ms DESC, rowid DESC LIMIT ?', scope, limit),
      ),
    payment: (paymentHash) => run(() => find(paymentHash)),
    credentials: (origin) =>
      run(() =>
        sql(
          `SELECT ${CREDENTIAL_COLUMNS} FROM credentials WHERE :origin IS NULL OR origin = :origin
           ORDER BY created_at_ms DESC, rowid DESC`,
        )
          .all({ origin: origin ?? null })
          .map((row: Row) => credentialOf(row)),
      ),
    async rejectCredential(id, scope) {
      await write(() =>
        sql(
          'INSERT OR IGNORE INTO rejections (credential_id, scope) SELECT id, ? FROM credentials WHERE id = ?',
        ).run(scope, id),
      )
    },
    async touchCredential(id) {
      await write(() => sql('UPDATE credentials SET last_used_at_ms = ? WHERE id = ?').run(now(), id))
    },
    async addCredential(credential) {
      assertPreimage(credential.preimage, credential.paymentHash)
      return write(() => {
        if (sql('SELECT 1 FROM credentials WHERE id = ?').get(credential.id)) return false
        insert('INTO credentials', credentialParameters(credential))
        return true
      })
    },
    forgetCredential: (id) =>
      write(() => Number(sql('DELETE FROM credentials WHERE id = ?').run(id).changes) === 1),
    note: (subject, name) => run(() => readNote(subject, name)),
    setNote: writeNote,
    forgive: (host) => writeNote(host, FORGIVEN, String(now())),
    async saveQuote(quote) {
      await write(() => {
        sql('DELETE FROM quotes WHERE expires_at * 1000 + ? <= ?').run(DAY_MS, now())
        insert('OR REPLACE INTO quotes', quoteParameters(quote))
      })
    },
    quote: (id) =>
      run(() => {
        const row = sql('SELECT * FROM quotes WHERE id = ?').get(id)
        return row && quoteOf(row)
      }),
    spent: (whose = {}) =>
      run(() => {
        const by = typeof whose === 'string' ? { host: whose } : whose
        const limits = ownLimits(readBudget(), by)
        const of = (sinceMs: number): { msat: bigint; count: number } => spentSince(by, sinceMs)
        const countMs = limits?.count ? limits.count.seconds * 1000 : DAY_MS
        return {
          hourMsat: of(now() - HOUR_MS).msat,
          dayMsat: of(now() - DAY_MS).msat,
          totalMsat: of(Number.NEGATIVE_INFINITY).msat,
          count: of(now() - countMs).count,
        }
      }),
    withLock: (name, task, signal) => withFileLock(`${file}.locks`, name, { task, signal }),
    async close() {
      if (closed) return
      closed = true
      db.close()
    },
  }
}

export { DEFAULT_BUDGET } from '../purse.ts'
