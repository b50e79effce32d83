/** A purse's books over tables in memory: what the purses that are not SQL databases have in common. */

import { encodeHex } from '../../core/bytes.ts'
import {
  type Budget,
  DEFAULT_BUDGET,
  type PaymentRecord,
  type PurseStore,
  type SpentBy,
  type StoredCredential,
  type StoredQuote,
} from '../purse.ts'
import { formatBudget, parseBudget } from './budget-json.ts'
import {
  alreadyOnBooks,
  assertBudget,
  assertIntent,
  assertMsat,
  assertOpen,
  assertPreimage,
  type Books,
  checkBudget,
  countsFor,
  credentialBought,
  credentialIdOf,
  DAY_MS,
  forgivenSince,
  HOUR_MS,
  mayConclude,
  noSuchPayment,
  OPEN_STATES,
  ownLimits,
} from './purse-rules.ts'

/** A table by key, in order of insertion. A `Map` is one. */
export interface Table<T> {
  get(key: string): T | undefined
  has(key: string): boolean
  /** Replaces in place; a new key goes to the end. */
  set(key: string, value: T): unknown
  delete(key: string): boolean
  values(): Iterable<T>
}

/** All that a purse keeps. */
export interface PurseTables {
  /** By payment hash, lower-case hex. */
  readonly payments: Table<PaymentRecord>
  /** By id. */
  readonly credentials: Table<StoredCredential>
  /** By id. */
  readonly quotes: Table<StoredQuote>
  /** Notes, when hosts were forgiven, and the budget. */
  readonly texts: Table<string>
}

/** What a purse does with its books; locks and closing are the store's own. */
type BookName = Exclude<keyof PurseStore, 'withLock' | 'close'>

/** The same as of {@link PurseStore}, at once. Faults are thrown before anything is changed. */
export type PurseBooks = {
  readonly [Name in BookName]: (
    ...args: Parameters<PurseStore[Name]>
  ) => Awaited<ReturnType<PurseStore[Name]>>
}

const BUDGET = 'budget'
const noteKey = (subject: string, name: string): string => `note ${JSON.stringify([subject, name])}`
const forgivenKey = (host: string): string => `forgiven ${host}`

/** The books over `tables`. `budget` is in force until one is set. */
export function purseBooks(
  tables: PurseTables,
  {
    now,
    budget: initial = DEFAULT_BUDGET,
  }: { readonly now: () => number; readonly budget?: Budget | undefined },
): PurseBooks {
  const { payments, credentials, quotes, texts } = tables

  const get = (paymentHash: Uint8Array): PaymentRecord => {
    const record = payments.get(encodeHex(paymentHash))
    if (!record) throw noSuchPayment(paymentHash)
    return record
  }
  const put = (record: PaymentRecord): void => {
    payments.set(encodeHex(record.paymentHash), record)
  }
  const spentSince = (of: SpentBy, sinceMs: number): { msat: bigint; count: number } => {
    let msat = 0n
    let count = 0
    for (const record of payments.values()) {
      if (record.state === 'failed' || record.createdAtMs <= sinceMs) continue
      if ((of.host ?? record.host) !== record.host || (of.payee ?? record.payee) !== record.payee) continue
      if ((of.task ?? record.task) !== record.task) continue
      msat += countsFor(record)
      count++
    }
    return { msat, count }
  }
  const books: Books = {
    spentSince,
    unservedSince(host, sinceMs) {
      const from = Math.max(sinceMs, forgivenSince(texts.get(forgivenKey(host)), now()))
      return [...payments.values()].filter(
        (one) => one.host === host && one.served === 'not_served' && one.createdAtMs > from,
      ).length
    },
  }
  const newestFirst = <T extends { readonly createdAtMs: number }>(rows: Iterable<T>): T[] =>
    // Insertion order breaks ties, newest first.
    [...rows].reverse().sort((a, b) => b.createdAtMs - a.createdAtMs)
  const budgetNow = (): Budget => {
    const text = texts.get(BUDGET)
    return text === undefined ? initial : parseBudget(text)
  }

  return {
    budget: budgetNow,
    setBudget(next) {
      assertBudget(next)
      texts.set(BUDGET, formatBudget(next))
    },
    reserve(intent, limits) {
      assertIntent(intent)
      const before = payments.get(encodeHex(intent.paymentHash))
      if (before && before.state !== 'failed') throw alreadyOnBooks(intent.paymentHash)
      const fits = checkBudget(limits, intent, books)
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
    fits: (cost, limits) => checkBudget(limits, cost, books),
    beginPaying(paymentHash) {
      const record = get(paymentHash)
      if (record.state !== 'reserved') return false
      put({ ...record, state: 'in_flight', updatedAtMs: now() })
      return true
    },
    settle(paymentHash, { preimage, feeMsat }) {
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
    renew(paymentHash, { nowMs, orderEndsAtMs, detail }, limits) {
      const record = get(paymentHash)
      assertOpen(record)
      // What it holds itself does not stand in its way.
      put({ ...record, state: 'failed' })
      const fits = checkBudget(limits, { ...record, createdAtMs: nowMs }, books)
      const again = {
        state: 'unknown',
        createdAtMs: nowMs,
        orderEndsAtMs,
        detail,
        updatedAtMs: now(),
      } as const
      put(fits.ok ? { ...record, ...again } : record)
      return fits
    },
    conclude(paymentHash, { state, feeMsat, detail }) {
      if (feeMsat !== undefined) assertMsat('feeMsat', feeMsat)
      const record = get(paymentHash)
      if (!mayConclude(record.state, state)) return
      put({ ...record, state, feeMsat: feeMsat ?? record.feeMsat, detail, updatedAtMs: now() })
    },
    recordServed(paymentHash, served, httpStatus) {
      const record = get(paymentHash)
      const kept = record.served === 'redeemed' ? 'redeemed' : served
      put({ ...record, served: kept, lastStatus: httpStatus, updatedAtMs: now() })
    },
    openPayments(scope) {
      const open = [...payments.values()].filter(
        (record) => OPEN_STATES.includes(record.state) && (scope === undefined || record.scope === scope),
      )
      return open.sort((a, b) => a.createdAtMs - b.createdAtMs)
    },
    payments: (limit, scope) =>
      newestFirst(payments.values())
        .filter((record) => scope === undefined || record.scope === scope)
        .slice(0, limit),
    payment: (paymentHash) => payments.get(encodeHex(paymentHash)),
    credentials: (origin) =>
      newestFirst(credentials.values()).filter((held) => origin === undefined || held.origin === origin),
    rejectCredential(id, scope) {
      const held = credentials.get(id)
      if (!held || held.rejectedFor.includes(scope)) return
      credentials.set(id, { ...held, rejectedFor: [...held.rejectedFor, scope] })
    },
    touchCredential(id) {
      const held = credentials.get(id)
      if (held) credentials.set(id, { ...held, lastUsedAtMs: now() })
    },
    addCredential(credential) {
      assertPreimage(credential.preimage, credential.paymentHash)
      if (credentials.has(credential.id)) return false
      credentials.set(credential.id, { ...credential, rejectedFor: [] })
      return true
    },
    forgetCredential: (id) => credentials.delete(id),
    note: (subject, name) => texts.get(noteKey(subject, name)),
    setNote(subject, name, text) {
      texts.set(noteKey(subject, name), text)
    },
    forgive(host) {
      texts.set(forgivenKey(host), String(now()))
    },
    saveQuote(quote) {
      for (const old of [...quotes.values()])
        if (old.expiresAt * 1000 + DAY_MS <= now()) quotes.delete(old.id)
      quotes.set(quote.id, quote)
    },
    quote: (id) => quotes.get(id),
    spent(whose = {}) {
      const by = typeof whose === 'string' ? { host: whose } : whose
      const limits = ownLimits(budgetNow(), by)
      const of = (sinceMs: number): { msat: bigint; count: number } => spentSince(by, sinceMs)
      const countMs = limits.count ? limits.count.seconds * 1000 : DAY_MS
      return {
        hourMsat: of(now() - HOUR_MS).msat,
        dayMsat: of(now() - DAY_MS).msat,
        totalMsat: of(Number.NEGATIVE_INFINITY).msat,
        count: of(now() - countMs).count,
      }
    },
  }
}

/** A purse whose every call on its books goes through `run`. `writes` is false where nothing can be changed by it. */
export function purseOver(
  run: <T>(work: (books: PurseBooks) => T, writes: boolean) => Promise<T>,
  own: Pick<PurseStore, 'withLock' | 'close'>,
): PurseStore {
  return {
    budget: () => run((books) => books.budget(), false),
    setBudget: (budget) => run((books) => books.setBudget(budget), true),
    reserve: (intent, limits) => run((books) => books.reserve(intent, limits), true),
    fits: (cost, limits) => run((books) => books.fits(cost, limits), false),
    beginPaying: (paymentHash) => run((books) => books.beginPaying(paymentHash), true),
    settle: (paymentHash, outcome) => run((books) => books.settle(paymentHash, outcome), true),
    renew: (paymentHash, order, limits) => run((books) => books.renew(paymentHash, order, limits), true),
    conclude: (paymentHash, outcome) => run((books) => books.conclude(paymentHash, outcome), true),
    recordServed: (paymentHash, served, httpStatus) =>
      run((books) => books.recordServed(paymentHash, served, httpStatus), true),
    openPayments: (scope) => run((books) => books.openPayments(scope), false),
    payments: (limit, scope) => run((books) => books.payments(limit, scope), false),
    payment: (paymentHash) => run((books) => books.payment(paymentHash), false),
    credentials: (origin) => run((books) => books.credentials(origin), false),
    rejectCredential: (id, scope) => run((books) => books.rejectCredential(id, scope), true),
    touchCredential: (id) => run((books) => books.touchCredential(id), true),
    addCredential: (credential) => run((books) => books.addCredential(credential), true),
    forgetCredential: (id) => run((books) => books.forgetCredential(id), true),
    note: (subject, name) => run((books) => books.note(subject, name), false),
    setNote: (subject, name, text) => run((books) => books.setNote(subject, name, text), true),
    forgive: (host) => run((books) => books.forgive(host), true),
    saveQuote: (quote) => run((books) => books.saveQuote(quote), true),
    quote: (id) => run((books) => books.quote(id), false),
    spent: (of) => run((books) => books.spent(of), false),
    ...own,
  }
}
