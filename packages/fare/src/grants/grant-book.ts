/**
 * Spend grants and what was spent under each: a small SQLite file beside the purse, shared by the daemon and by
 * `fare grant`. Secrets are kept as their SHA-256 only.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SQLOutputValue } from 'node:sqlite'
import { L402Error } from '@turnpike/l402'
import type { OverBudget } from '@turnpike/l402/client'
import { openDatabase } from './grant-database.ts'

/** What a grant allows. */
export interface GrantTerms {
  /** Most for all its purchases together, fees included, in millisatoshi. */
  readonly totalMsat: bigint
  /** Most for one purchase, fee reserve included; `null` for no limit of its own. */
  readonly requestMsat: bigint | null
  /** Where it may fetch and pay: `host` or `host:port`, punycode, lower case. */
  readonly hosts: readonly string[]
  /** Unix milliseconds. */
  readonly expiresAtMs: number
  /** Tag of its payments; empty for none. */
  readonly task: string
}

/** A grant on the books; holds no secret. */
export interface Grant extends GrantTerms {
  /** Short hex, safe to show. */
  readonly id: string
  readonly createdAtMs: number
  /** Unix milliseconds; `null` while it is good. */
  readonly revokedAtMs: number | null
  /** Spent or held, fees included. */
  readonly spentMsat: bigint
}

/** What is held of a grant for one purchase. */
interface Hold {
  readonly row: bigint
  readonly paymentHash: Uint8Array
  readonly createdAtMs: number
  /** When its payment may say that it was made: at first, and at each {@link GrantBook.renew}. Unix milliseconds. */
  readonly stampsMs: readonly number[]
}

type Answer = { readonly ok: true } | OverBudget

/** The books of all grants. */
export interface GrantBook {
  /** Makes a grant; the secret is told here and never again. */
  create(terms: GrantTerms): { readonly grant: Grant; readonly secret: string }
  list(): readonly Grant[]
  get(id: string): Grant | undefined
  /** Ends a grant for good; answers false where there is none or it had ended. What is under way ends as it must. */
  revoke(id: string): boolean
  /** The grant of `ID.SECRET`; `undefined` for any text that is not one. */
  find(token: string): Grant | undefined
  /**
   * Holds `msat` of a grant for one purchase, in one durable step with the check: no two requests see the last satoshi.
   * Throws `RangeError` for an invoice that another purchase of a grant holds.
   */
  hold(
    id: string,
    purchase: { readonly paymentHash: Uint8Array; readonly msat: bigint; readonly createdAtMs: number },
  ): Answer
  /** What {@link hold} would answer; holds nothing. */
  fits(id: string, msat: bigint): Answer
  /**
   * What {@link hold} would answer now for a purchase that holds its money already, before its wallet is asked again at `nowMs`.
   * That stamp is its own from here on, beside those before: the payment's books are others, and may not get it.
   */
  renew(id: string, purchase: { readonly paymentHash: Uint8Array; readonly nowMs: number }): Answer
  /** The stamp alone, for a payment that its user sends again; nothing where the one made at `fromMs` is no grant's. */
  noteRenewal(paymentHash: Uint8Array, stamps: { readonly fromMs: number; readonly nowMs: number }): void
  /** Sets what a purchase counts for; `open` where that may still change. */
  correct(paymentHash: Uint8Array, counts: { readonly msat: bigint; readonly open: boolean }): void
  /** The same for one hold as it was seen; a later one of the same invoice is left alone. */
  correctHold(row: bigint, counts: { readonly msat: bigint; readonly open: boolean }): void
  /** Takes a hold back that led to no payment. */
  dropHold(row: bigint): void
  openHolds(id: string): readonly Hold[]
  /** What the grant holds or held for an invoice. */
  holdOf(id: string, paymentHash: Uint8Array): Hold | undefined
  close(): void
}

/**
 * Opens the books, making folder (0700) and file (0600) where they are missing.
 * Throws `store_unavailable` or `store_incompatible`.
 */
export function openGrantBook(file: string, now: () => number = Date.now): GrantBook {
  const db = openDatabase(file)
  const sql = (source: string) => {
    const statement = db.prepare(source)
    statement.setReadBigInts(true)
    return statement
  }
  const select = `SELECT *, (SELECT coalesce(sum(msat), 0) FROM holds WHERE grant_id = grants.id) AS spent_msat FROM grants`
  const get = (id: string): Grant | undefined => {
    const row = sql(`${select} WHERE id = ?`).get(id)
    return row && grantOf(row)
  }
  const transaction = <T>(work: () => T): T => {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  // What is `heldMsat` already is spent already.
  const fits = (id: string, msat: bigint, heldMsat = 0n): Answer => {
    const grant = get(id)
    const over = (limit: string, limitMsat: bigint, wouldBeMsat: bigint): OverBudget => ({
      ok: false,
      limit: `grant ${limit}`,
      limitMsat,
      wouldBeMsat,
    })
    // It may have ended since the request came in.
    if (!grant || grantEnd(grant, now()) !== null) return over('is over', 0n, msat)
    const { requestMsat, totalMsat, spentMsat } = grant
    if (requestMsat !== null && msat > requestMsat) return over('request', requestMsat, msat)
    const wouldBeMsat = spentMsat - heldMsat + msat
    return wouldBeMsat > totalMsat ? over('total', totalMsat, wouldBeMsat) : { ok: true }
  }
  const holdOf = (row: Record<string, SQLOutputValue>): Hold => {
    const createdAtMs = Number(row['created_at_ms'])
    const renewals = sql('SELECT at_ms FROM renewals WHERE hold = ?').all(row['row'] as bigint)
    return {
      row: BigInt(row['row'] as bigint),
      paymentHash: new Uint8Array(row['payment_hash'] as Uint8Array),
      createdAtMs,
      stampsMs: [createdAtMs, ...renewals.map((one) => Number(one['at_ms']))],
    }
  }
  return {
    create(terms) {
      const id = randomBytes(4).toString('hex')
      const secret = randomBytes(32).toString('base64url')
      sql(
        `INSERT INTO grants (id, secret_hash, total_msat, request_msat, hosts, expires_at_ms, task, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ).run(
        id,
        hashOf(secret),
        terms.totalMsat,
        terms.requestMsat,
        JSON.stringify(terms.hosts),
        terms.expiresAtMs,
        terms.task,
        now(),
      )
      const grant = get(id)
      if (!grant) throw new L402Error('store_unavailable', 'the grant could not be written')
      return { grant, secret }
    },
    list: () => sql(`${select} ORDER BY created_at_ms DESC, id`).all().map(grantOf),
    get,
    revoke: (id) =>
      Number(
        sql('UPDATE grants SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL').run(now(), id)
          .changes,
      ) === 1,
    find(token) {
      const [, id = '', secret = ''] = /^([0-9a-f]{8})\.([A-Za-z0-9_-]{43})$/.exec(token) ?? []
      const row = id === '' ? undefined : sql('SELECT secret_hash FROM grants WHERE id = ?').get(id)
      if (!row) return undefined
      return timingSafeEqual(hashOf(secret), row['secret_hash'] as Uint8Array) ? get(id) : undefined
    },
    hold: (id, { paymentHash, msat, createdAtMs }) =>
      transaction(() => {
        const before = sql('SELECT grant_id, msat FROM holds WHERE payment_hash = ?').get(paymentHash)
        // One that failed counts for nothing, and its invoice may be tried again.
        if (before && BigInt(before['msat'] as bigint) > 0n)
          throw new RangeError('this invoice is on the books of a grant already')
        const answer = fits(id, msat)
        if (!answer.ok) return answer
        sql('DELETE FROM holds WHERE payment_hash = ?').run(paymentHash)
        sql(
          'INSERT INTO holds (payment_hash, grant_id, msat, open, created_at_ms) VALUES (?, ?, ?, 1, ?)',
        ).run(paymentHash, id, msat, createdAtMs)
        return { ok: true }
      }),
    fits: (id, msat) => fits(id, msat),
    renew: (id, { paymentHash, nowMs }) =>
      transaction(() => {
        const held = sql('SELECT row, msat FROM holds WHERE grant_id = ? AND payment_hash = ?').get(
          id,
          paymentHash,
        )
        if (!held) throw new RangeError('the grant holds nothing for this invoice')
        const msat = BigInt(held['msat'] as bigint)
        const answer = fits(id, msat, msat)
        if (answer.ok)
          sql('INSERT OR IGNORE INTO renewals (hold, at_ms) VALUES (?, ?)').run(held['row'] as bigint, nowMs)
        return answer
      }),
    noteRenewal(paymentHash, { fromMs, nowMs }) {
      sql(
        `INSERT OR IGNORE INTO renewals (hold, at_ms) SELECT row, ? FROM holds WHERE payment_hash = ?
         AND (created_at_ms = ? OR EXISTS (SELECT 1 FROM renewals WHERE hold = row AND at_ms = ?))`,
      ).run(nowMs, paymentHash, fromMs, fromMs)
    },
    correct(paymentHash, { msat, open }) {
      sql('UPDATE holds SET msat = ?, open = ? WHERE payment_hash = ?').run(msat, Number(open), paymentHash)
    },
    correctHold(row, { msat, open }) {
      sql('UPDATE holds SET msat = ?, open = ? WHERE row = ?').run(msat, Number(open), row)
    },
    dropHold(row) {
      sql('DELETE FROM holds WHERE row = ?').run(row)
    },
    openHolds: (id) => sql('SELECT * FROM holds WHERE grant_id = ? AND open = 1').all(id).map(holdOf),
    holdOf(id, paymentHash) {
      const row = sql('SELECT * FROM holds WHERE grant_id = ? AND payment_hash = ?').get(id, paymentHash)
      return row && holdOf(row)
    },
    close: () => db.close(),
  }
}

/** Why a grant is good for nothing any more; `null` while it is good. */
export function grantEnd(grant: Grant, nowMs: number): 'revoked' | 'expired' | null {
  if (grant.revokedAtMs !== null) return 'revoked'
  return nowMs >= grant.expiresAtMs ? 'expired' : null
}

/** Whether a grant reaches a URL: by host, or by host and port where it names one. */
export function reaches(grant: GrantTerms, url: URL): boolean {
  return grant.hosts.some((host) => host === url.hostname || host === hostAndPort(url))
}

function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function grantOf(row: Record<string, SQLOutputValue>): Grant {
  const msat = (value: SQLOutputValue | undefined): bigint => BigInt(value as bigint)
  return {
    id: String(row['id']),
    totalMsat: msat(row['total_msat']),
    requestMsat: row['request_msat'] === null ? null : msat(row['request_msat']),
    hosts: JSON.parse(String(row['hosts'])) as string[],
    expiresAtMs: Number(row['expires_at_ms']),
    task: String(row['task']),
    createdAtMs: Number(row['created_at_ms']),
    revokedAtMs: row['revoked_at_ms'] === null ? null : Number(row['revoked_at_ms']),
    spentMsat: msat(row['spent_msat']),
  }
}
