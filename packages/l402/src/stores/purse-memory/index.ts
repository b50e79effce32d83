/** A purse that ends with its process: for tests, browsers and programs that keep no books. */

import { encodeHex } from '../../core/bytes.ts'
import { lockQueue } from '../lib/lock-queue.ts'
import {
  alreadyOnBooks,
  assertBudget,
  assertIntent,
  assertMsat,
  assertPreimage,
  checkBudget,
  countsFor,
  credentialBought,
  credentialIdOf,
  DAY_MS,
  HOUR_MS,
  mayConclude,
  noSuchPayment,
  OPEN_STATES,
} from '../lib/purse-rules.ts'
import {
  type Budget,
  DEFAULT_BUDGET,
  type PaymentRecord,
  type PurseStore,
  type StoredCredential,
  type StoredQuote,
} from '../purse.ts'

/** Options of {@link memoryPurse}. */
export interface MemoryPurseOptions {
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
  /** The limits to start with; default {@link DEFAULT_BUDGET}. */
  readonly budget?: Budget
}

/**
 * Makes a purse in memory. Budgets and single-flight hold within this object only.
 *
 * @example
 * const purse = memoryPurse()
 */
export function memoryPurse(options: MemoryPurseOptions = {}): PurseStore {
  const now = options.now ?? Date.now
  let budget = options.budget ?? DEFAULT_BUDGET
  const payments = new Map<string, PaymentRecord>()
  const credentials = new Map<string, StoredCredential>()
  const quotes = new Map<string, StoredQuote>()
  const locks = lockQueue()

  const get = (paymentHash: Uint8Array): PaymentRecord => {
    const record = payments.get(encodeHex(paymentHash))
    if (!record) throw noSuchPayment(paymentHash)
    return record
  }
  const put = (record: PaymentRecord): void => {
    payments.set(encodeHex(record.paymentHash), record)
  }
  const spentSince = (host: string | null, sinceMs: number): { msat: bigint; count: number } => {
    let msat = 0n
    let count = 0
    for (const record of payments.values()) {
      if (record.state === 'failed' || record.createdAtMs <= sinceMs) continue
      if (host !== null && record.host !== host) continue
      msat += countsFor(record)
      count++
    }
    return { msat, count }
  }
  const newestFirst = <T extends { readonly createdAtMs: number }>(rows: Iterable<T>): T[] =>
    // Insertion order breaks ties, newest first.
    [...rows].reverse().sort((a, b) => b.createdAtMs - a.createdAtMs)

  return {
    budget: async () => budget,
    async setBudget(next) {
      assertBudget(next)
      budget = next
    },
    async reserve(intent, limits) {
      assertIntent(intent)
      const before = payments.get(encodeHex(intent.paymentHash))
      if (before && before.state !== 'failed') throw alreadyOnBooks(intent.paymentHash)
      const fits = checkBudget(limits, intent, spentSince)
      if (!fits.ok) return fits
      payments.delete(encodeHex(intent.paymentHash))
      put({
        ...intent,
        state: 'reserved',
        served: 'unserved',
        preimage: null,
        feeMsat: 0n,
        lastStatus: 0,
        detail: '',
        updatedAtMs: now(),
      })
      return { ok: true }
    },
    fits: async (cost, limits) => checkBudget(limits, cost, spentSince),
    async beginPaying(paymentHash) {
      const record = get(paymentHash)
      if (record.state !== 'reserved') return false
      put({ ...record, state: 'in_flight', updatedAtMs: now() })
      return true
    },
    async settle(paymentHash, { preimage, feeMsat }) {
      assertPreimage(preimage, paymentHash)
      assertMsat('feeMsat', feeMsat)
      const record = get(paymentHash)
      const id = credentialIdOf(record.macaroon, preimage)
      const held = credentials.get(id)
      if (record.state === 'settled' && held) return held
      put({ ...record, state: 'settled', preimage, feeMsat, detail: '', updatedAtMs: now() })
      const credential = credentialBought(record, preimage, { feeMsat, nowMs: now() })
      credentials.set(id, credential)
      return credential
    },
    async conclude(paymentHash, { state, feeMsat, detail }) {
      if (feeMsat !== undefined) assertMsat('feeMsat', feeMsat)
      const record = get(paymentHash)
      if (!mayConclude(record.state, state)) return
      put({ ...record, state, feeMsat: feeMsat ?? record.feeMsat, detail, updatedAtMs: now() })
    },
    async recordServed(paymentHash, served, httpStatus) {
      const record = get(paymentHash)
      const kept = record.served === 'redeemed' ? 'redeemed' : served
      put({ ...record, served: kept, lastStatus: httpStatus, updatedAtMs: now() })
    },
    async openPayments(scope) {
      const open = [...payments.values()].filter(
        (record) => OPEN_STATES.includes(record.state) && (scope === undefined || record.scope === scope),
      )
      return open.sort((a, b) => a.createdAtMs - b.createdAtMs)
    },
    payments: async (limit, scope) =>
      newestFirst(payments.values())
        .filter((record) => scope === undefined || record.scope === scope)
        .slice(0, limit),
    payment: async (paymentHash) => payments.get(encodeHex(paymentHash)),
    credentials: async (origin) =>
      newestFirst(credentials.values()).filter((held) => origin === undefined || held.origin === origin),
    async rejectCredential(id, scope) {
      const held = credentials.get(id)
      if (!held || held.rejectedFor.includes(scope)) return
      credentials.set(id, { ...held, rejectedFor: [...held.rejectedFor, scope] })
    },
    async touchCredential(id) {
      const held = credentials.get(id)
      if (held) credentials.set(id, { ...held, lastUsedAtMs: now() })
    },
    async addCredential(credential) {
      assertPreimage(credential.preimage, credential.paymentHash)
      if (credentials.has(credential.id)) return false
      credentials.set(credential.id, { ...credential, rejectedFor: [] })
      return true
    },
    forgetCredential: async (id) => credentials.delete(id),
    async saveQuote(quote) {
      for (const [id, old] of quotes) if (old.expiresAt * 1000 + DAY_MS <= now()) quotes.delete(id)
      quotes.set(quote.id, quote)
    },
    quote: async (id) => quotes.get(id),
    async spent(host) {
      const limits = host === undefined ? budget.overall : budget.hosts[host]
      const of = (sinceMs: number): { msat: bigint; count: number } => spentSince(host ?? null, sinceMs)
      const countMs = limits?.count ? limits.count.seconds * 1000 : DAY_MS
      return {
        hourMsat: of(now() - HOUR_MS).msat,
        dayMsat: of(now() - DAY_MS).msat,
        totalMsat: of(Number.NEGATIVE_INFINITY).msat,
        count: of(now() - countMs).count,
      }
    },
    withLock: (name, task, signal) => locks.run(name, task, signal),
    close: async () => {},
  }
}

export { DEFAULT_BUDGET } from '../purse.ts'
