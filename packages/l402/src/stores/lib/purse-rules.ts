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
  PaymentState,
  StoredCredential,
} from '../purse.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** More than all bitcoin there will ever be; sums of a few of these still fit 64 bits. */
const MOST_MSAT = 2_100_000_000_000_000_000n

/** What was spent or is held, of one host or all (`null`), by payments made after `sinceMs`. */
export type SpentSince = (host: string | null, sinceMs: number) => { msat: bigint; count: number }

/** Whether a further cost fits all limits that apply to its host; the first one broken otherwise. */
export function checkBudget(
  budget: Budget,
  cost: Cost,
  spentSince: SpentSince,
): { readonly ok: true } | OverBudget {
  const own = Object.hasOwn(budget.hosts, cost.host) ? budget.hosts[cost.host] : undefined
  return (
    brokenLimit(budget.overall, '', cost, (since) => spentSince(null, since)) ??
    (own && brokenLimit(own, 'host ', cost, (since) => spentSince(cost.host, since))) ?? { ok: true }
  )
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
  for (const limits of [budget.overall, ...Object.values(budget.hosts)]) {
    const { count, ...amounts } = limits
    for (const [name, msat] of Object.entries(amounts)) if (msat !== undefined) assertMsat(name, msat)
    if (count && !(Number.isSafeInteger(count.max) && count.max >= 0))
      throw new RangeError('count.max must be a whole number, 0 or more')
    if (count && !(Number.isSafeInteger(count.seconds) && count.seconds > 0))
      throw new RangeError('count.seconds must be a whole number, 1 or more')
  }
}

/** A caller's mistake: the payment must have been reserved before. */
export function noSuchPayment(paymentHash: Uint8Array): RangeError {
  return new RangeError(`no payment ${encodeHex(paymentHash)} on the books`)
}

/** A caller's mistake, and the last guard against paying twice. */
export function alreadyOnBooks(paymentHash: Uint8Array): RangeError {
  return new RangeError(`payment ${encodeHex(paymentHash)} is on the books already`)
}
