/** What every purse decides alike: budgets, states, ids. Pure. */

import { concatBytes, encodeHex, encodeUtf8, equalBytes } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import { sha256 } from '../../core/hash.ts'
import type {
  Budget,
  BudgetLimits,
  Cost,
  OverBudget,
  PaymentIntent,
  PaymentLists,
  PaymentState,
  SpentBy,
  StoredCredential,
} from '../purse.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/**
 * From when on payments of a host count that were not served, Unix milliseconds: since it was forgiven, by the clock of then.
 * A clock that has been put back since would forgive what is still to come.
 */
export function forgivenSince(forgivenAt: string | undefined, nowMs: number): number {
  const at = Number(forgivenAt ?? Number.NEGATIVE_INFINITY)
  return at > nowMs ? Number.NEGATIVE_INFINITY : at
}

/** More than all bitcoin there will ever be; sums of a few of these still fit 64 bits. */
const MOST_MSAT = 2_100_000_000_000_000_000n

/** What the books say of payments made after `sinceMs`. */
export interface Books {
  /** Spent or held, of everything or of one host, payee or task. */
  spentSince(of: SpentBy, sinceMs: number): { readonly msat: bigint; readonly count: number }
  /** Payments of a host that were paid and not served, since it was last forgiven. */
  unservedSince(host: string, sinceMs: number): number
}

/** Whether a further cost fits all limits that apply to it; the first one broken otherwise. */
export function checkBudget(budget: Budget, cost: Cost, books: Books): { readonly ok: true } | OverBudget {
  const since = (of: SpentBy) => (sinceMs: number) => books.spentSince(of, sinceMs)
  const { host, payee, task } = cost
  return (
    brokenList(budget, cost) ??
    brokenLimit(budget.overall, '', cost, since({})) ??
    brokenLimit(limitsOf(budget.hosts, host), 'host ', cost, since({ host })) ??
    brokenLimit(limitsOf(budget.payees, payee), 'payee ', cost, since({ payee })) ??
    brokenLimit(limitsOf(budget.tasks, task), 'task ', cost, since({ task })) ??
    tooOftenUnserved(budget, cost, books) ?? { ok: true }
  )
}

/** The limits of one host, payee or task; a name is never taken for a property that every object has. */
export function limitsOf(
  table: Readonly<Record<string, BudgetLimits>> | undefined,
  name: string,
): BudgetLimits {
  return (table && Object.hasOwn(table, name) ? table[name] : undefined) ?? {}
}

/** The limits that {@link PurseStore.spent} goes by. */
export function ownLimits(budget: Budget, { host, payee, task }: SpentBy): BudgetLimits {
  if (host !== undefined) return limitsOf(budget.hosts, host)
  if (payee !== undefined) return limitsOf(budget.payees, payee)
  return task === undefined ? budget.overall : limitsOf(budget.tasks, task)
}

function brokenList(budget: Budget, { host, payee }: Cost): OverBudget | undefined {
  const closed = (limit: string): OverBudget => ({ ok: false, limit, limitMsat: 0n, wouldBeMsat: 0n })
  if (!listsAllow(budget.hostLists, (entry) => isHost(entry, host))) return closed('host list')
  if (!listsAllow(budget.payeeLists, (entry) => entry === payee)) return closed('payee list')
  return undefined
}

function listsAllow(lists: PaymentLists | undefined, matches: (entry: string) => boolean): boolean {
  if (lists?.deny?.some(matches)) return false
  return lists?.allow === undefined || lists.allow.some(matches)
}

/** `*.example.com` is every host below example.com, and not itself. */
function isHost(entry: string, host: string): boolean {
  return entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : entry === host
}

function tooOftenUnserved(budget: Budget, cost: Cost, books: Books): OverBudget | undefined {
  const breaker = budget.breakers?.unserved
  if (!breaker) return undefined
  const count = books.unservedSince(cost.host, cost.createdAtMs - breaker.seconds * 1000)
  if (count < breaker.max) return undefined
  return { ok: false, limit: 'unserved', limitMsat: BigInt(breaker.max), wouldBeMsat: BigInt(count) }
}

function brokenLimit(
  limits: BudgetLimits,
  prefix: string,
  cost: Cost,
  spentSince: (sinceMs: number) => { msat: bigint; count: number },
): OverBudget | undefined {
  const price = cost.amountMsat + cost.maxFeeMsat
  const over = (limit: string, limitMsat: bigint, wouldBeMsat: bigint): OverBudget | undefined =>
    wouldBeMsat > limitMsat ? { ok: false, limit: prefix + limit, limitMsat, wouldBeMsat } : undefined
  const within = (limit: string, limitMsat: bigint | undefined, sinceMs: number): OverBudget | undefined =>
    limitMsat === undefined ? undefined : over(limit, limitMsat, spentSince(sinceMs).msat + price)
  const now = cost.createdAtMs
  return (
    (limits.requestMsat === undefined ? undefined : over('request', limits.requestMsat, price)) ??
    within('hour', limits.hourMsat, now - HOUR_MS) ??
    within('day', limits.dayMsat, now - DAY_MS) ??
    within('total', limits.totalMsat, Number.NEGATIVE_INFINITY) ??
    (limits.count &&
      over(
        'count',
        BigInt(limits.count.max),
        BigInt(spentSince(now - limits.count.seconds * 1000).count + 1),
      ))
  )
}

/** What a payment counts for: the worst as long as its end is open, the truth afterwards (rule C3). */
export function countsFor(payment: {
  readonly state: PaymentState
  readonly amountMsat: bigint
  readonly maxFeeMsat: bigint
  readonly feeMsat: bigint
}): bigint {
  switch (payment.state) {
    case 'failed':
      return 0n
    case 'settled':
    case 'paid_unproven':
      return payment.amountMsat + payment.feeMsat
    default:
      return payment.amountMsat + payment.maxFeeMsat
  }
}

/** States in which the end is open. */
export const OPEN_STATES: readonly PaymentState[] = ['reserved', 'in_flight', 'unknown']

/**
 * Whether `to` may follow `from`. A proof of payment always wins; what is certain is never made uncertain again.
 */
export function mayConclude(from: PaymentState, to: 'failed' | 'unknown' | 'paid_unproven'): boolean {
  if (from === 'settled' || from === to) return false
  if (to === 'paid_unproven') return true
  return OPEN_STATES.includes(from)
}

/** Throws `RangeError` unless the wallet may be asked again: as long as nothing is certain. */
export function assertOpen({ state }: { readonly state: PaymentState }): void {
  if (!OPEN_STATES.includes(state))
    throw new RangeError(`only an open payment is sent again, this one is ${state}`)
}

/** Hex of the first 8 bytes of SHA-256 of macaroon and preimage; safe to show. */
export function credentialIdOf(macaroon: string, preimage: Uint8Array): string {
  return encodeHex(sha256(concatBytes(encodeUtf8(macaroon), preimage)).subarray(0, 8))
}

/** The credential that a proven payment puts into the purse. */
export function credentialBought(
  intent: PaymentIntent,
  preimage: Uint8Array,
  { feeMsat, nowMs }: { readonly feeMsat: bigint; readonly nowMs: number },
): StoredCredential {
  return {
    id: credentialIdOf(intent.macaroon, preimage),
    origin: intent.origin,
    macaroon: intent.macaroon,
    preimage,
    paymentHash: intent.paymentHash,
    boughtFor: intent.scope,
    costMsat: intent.amountMsat + feeMsat,
    createdAtMs: nowMs,
    lastUsedAtMs: 0,
    rejectedFor: [],
  }
}

/** Throws `lightning_invalid` unless the preimage proves the payment (rule C4). */
export function assertPreimage(preimage: Uint8Array, paymentHash: Uint8Array): void {
  if (preimage.length === 32 && equalBytes(sha256(preimage), paymentHash)) return
  throw new L402Error('lightning_invalid', 'the preimage does not hash to the payment hash', {
    details: { paymentHash: encodeHex(paymentHash) },
  })
}

/** Throws `RangeError` for an intent no purse can hold. */
export function assertIntent(intent: PaymentIntent): void {
  if (intent.paymentHash.length !== 32) throw new RangeError('a payment hash has 32 bytes')
  assertMsat('amountMsat', intent.amountMsat)
  assertMsat('maxFeeMsat', intent.maxFeeMsat)
}

/** Throws `RangeError` for an amount that cannot be one. */
export function assertMsat(name: string, msat: bigint): void {
  if (msat < 0n || msat > MOST_MSAT) throw new RangeError(`${name} must be from 0 to ${MOST_MSAT}`)
}

/** Throws `RangeError` for limits that cannot be meant. */
export function assertBudget(budget: Budget): void {
  const { overall, hosts, payees = {}, tasks = {}, hostLists = {}, payeeLists = {}, breakers = {} } = budget
  const tables = [hosts, payees, tasks].flatMap((table) => Object.values(table))
  for (const limits of [overall, ...tables]) {
    const { count, ...amounts } = limits
    for (const [name, msat] of Object.entries(amounts)) if (msat !== undefined) assertMsat(name, msat)
    if (count) assertWindow('count', count, 0)
  }
  for (const payee of [...Object.keys(payees), ...entriesOf(payeeLists)])
    if (!/^[0-9a-f]{66}$/.test(payee))
      throw new RangeError('a payee is the lower-case hex of a public key, 66 digits')
  for (const host of entriesOf(hostLists))
    if (host !== host.toLowerCase() || !/^(\*\.)?[^*/\s]+$/.test(host))
      throw new RangeError('a host is a name without port, or *. and one')
  if (breakers.priceJump !== undefined && !(Number.isFinite(breakers.priceJump) && breakers.priceJump >= 1))
    throw new RangeError('breakers.priceJump must be a number, 1 or more')
  if (breakers.unserved) assertWindow('breakers.unserved', breakers.unserved, 1)
}

function entriesOf(lists: PaymentLists): readonly string[] {
  return [...(lists.allow ?? []), ...(lists.deny ?? [])]
}

function assertWindow(name: string, window: { max: number; seconds: number }, least: number): void {
  if (!(Number.isSafeInteger(window.max) && window.max >= least))
    throw new RangeError(`${name}.max must be a whole number, ${least} or more`)
  if (!(Number.isSafeInteger(window.seconds) && window.seconds > 0))
    throw new RangeError(`${name}.seconds must be a whole number, 1 or more`)
}

/** A caller's mistake: the payment must have been reserved before. */
export function noSuchPayment(paymentHash: Uint8Array): RangeError {
  return new RangeError(`no payment ${encodeHex(paymentHash)} on the books`)
}

/** A caller's mistake, and the last guard against paying twice. */
export function alreadyOnBooks(paymentHash: Uint8Array): RangeError {
  return new RangeError(`payment ${encodeHex(paymentHash)} is on the books already`)
}
