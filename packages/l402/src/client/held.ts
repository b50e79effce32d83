/** Credentials that are in the purse already: which to present, in which order (rules C8, C9). */

import { encodeHex, equalBytes } from '../core/bytes.ts'
import type { Macaroon } from '../core/macaroon.ts'
import type { PaymentRecord, StoredCredential } from '../stores/purse.ts'
import { canCarry } from './carry.ts'
import { servicesOf } from './credential-bounds.ts'
import {
  bindsPaths,
  boundKey,
  compareNumbers,
  countsCalls,
  fitnessOf,
  isSingleUse,
  isTimePass,
  namesRoute,
  narrownessOf,
  type Presented,
  readMacaroon,
} from './credential-facts.ts'
import { proofKeyFor } from './dpop.ts'
import type { Hop } from './hop.ts'
import { paidIn } from './paid-before.ts'
import { chargedIn } from './payment-scheme/charge.ts'
import { chargeEnd } from './payment-scheme/check-charge.ts'
import type { Run } from './run.ts'
import { scopeOf } from './scope.ts'

/** Credentials for one call, bought for other scopes, of which the books are asked whether that was had; newest first. */
const MOST_LOOKED_UP = 64
/** Credentials presented before a new one is bought. */
const MOST_PRESENTED = 3

/** What {@link heldFor} is to leave out. */
export interface HeldOptions {
  /** Ids that this call has presented. */
  readonly tried: ReadonlySet<string>
  /** Only what was paid for this scope and not served yet. */
  readonly owedOnly: boolean
  /** Whether the lock of the scope is held, so that nobody else is about to present what was bought for it. */
  readonly locked: boolean
  /** The services that the server asks a credential for, where it has said so; what opens none of them is left out. */
  readonly services?: readonly string[]
}

/** A credential that may open the request. */
interface Candidate {
  readonly credential: StoredCredential
  readonly macaroon: Macaroon | undefined
  readonly owed: boolean
}

/**
 * The credentials worth presenting, best first: what was paid for this scope and not served yet, rejected or not
 * (rule C8); then those that are for it by where they were bought or what they are bound to; then others of the
 * origin. Among equals the narrowest comes first, then the newest. Expired and rejected ones are left out, and those
 * for one call that had it.
 */
export async function heldFor(
  run: Run,
  hop: Hop,
  options: HeldOptions,
): Promise<readonly StoredCredential[]> {
  // Never a credential over a downgrade (rule C7).
  if (hop.downgraded) return []
  const scope = scopeOf(hop.method, hop.url)
  const request = { method: hop.method, path: hop.url.pathname, nowSeconds: Math.floor(run.now() / 1000) }
  const all = await run.purse.credentials(hop.url.origin)
  if (all.length === 0) return []
  const debts = new Set((await unserved(run, scope)).map(({ paymentHash }) => encodeHex(paymentHash)))
  const isOwed = ({ paymentHash }: StoredCredential): boolean =>
    debts.size > 0 && debts.has(encodeHex(paymentHash))
  // A charge is for one call: presented until that was served, and never again (protocol §6).
  const worth = all.filter((one) => !chargedIn(one.macaroon) || isOwed(one))
  const candidates: Candidate[] = []
  let lookedUp = 0
  // However much was bought since: what is owed, or opens more than once, is never passed over and bought again.
  for (const credential of worth) {
    if (options.tried.has(credential.id)) continue
    const macaroon = readMacaroon(credential.macaroon)
    if (!canCarry(run, hop, credential.macaroon)) continue
    const fitness = fitnessOf(macaroon, request)
    // Where it was bought it fits: the server may see another path than the one asked for.
    if (fitness === 'expired' || (fitness === 'elsewhere' && credential.boughtFor !== scope)) continue
    if (!(await canProve(run, hop, macaroon))) continue
    const owed = isOwed(credential)
    if (!owed && (options.owedOnly || credential.rejectedFor.includes(scope))) continue
    if (!owed && !opensOneOf(macaroon, options.services)) continue
    if (!(owed && options.locked) && (await isAnothers(run, credential, macaroon))) continue
    if (!owed && isSingleUse(macaroon)) {
      if (credential.boughtFor !== scope && ++lookedUp > MOST_LOOKED_UP) continue
      if (await hadItsCall(run, credential)) continue
    }
    candidates.push({ credential, macaroon, owed })
  }
  const ordered = candidates.length > 1 ? bestFirst(candidates, scope, request) : candidates
  return ordered.slice(0, MOST_PRESENTED).map(({ credential }) => credential)
}

function bestFirst(
  candidates: readonly Candidate[],
  scope: string,
  request: Presented,
): readonly Candidate[] {
  const ranked = candidates.map((candidate) => ({
    candidate,
    rank: candidate.owed ? 0 : rankOf(candidate, scope, request),
    narrowness: narrownessOf(candidate.macaroon, request),
  }))
  ranked.sort((a, b) => {
    const [one, other] = [a.candidate.credential, b.candidate.credential]
    return (
      a.rank - b.rank ||
      compareNumbers(a.narrowness, b.narrowness) ||
      other.createdAtMs - one.createdAtMs ||
      (one.id < other.id ? -1 : 1)
    )
  })
  return ranked.map(({ candidate }) => candidate)
}

/** Whether the purse has the key that the credential is bound to, if it is. */
async function canProve(run: Run, hop: Hop, macaroon: Macaroon | undefined): Promise<boolean> {
  const thumbprint = boundKey(macaroon)
  if (thumbprint === undefined) return true
  return !hop.headers.has('dpop') && (await proofKeyFor(run, hop.url.origin, thumbprint)) !== undefined
}

/** Whether it opens one of these services, as far as it can be told. */
function opensOneOf(macaroon: Macaroon | undefined, asked: readonly string[] = []): boolean {
  const opened = macaroon ? servicesOf(macaroon) : []
  return asked.length === 0 || opened.length === 0 || opened.some((name) => asked.includes(name))
}

/**
 * Whether another process may have just bought this and be about to present it: one that counts calls is left to it.
 */
async function isAnothers(
  run: Run,
  credential: StoredCredential,
  macaroon: Macaroon | undefined,
): Promise<boolean> {
  const ageMs = run.now() - credential.createdAtMs
  // Made in the future by a clock that was put back: nobody is about to present it.
  if (ageMs < 0 || ageMs >= run.paymentTimeoutMs || isTimePass(macaroon)) return false
  const payment = await run.purse.payment(credential.paymentHash)
  // Once an answer began, it has been presented.
  return payment?.served === 'unserved' && payment.lastStatus === 0
}

/** Whether its one call was had, to the end of the answer. */
async function hadItsCall(run: Run, { paymentHash }: StoredCredential): Promise<boolean> {
  return (await run.purse.payment(paymentHash))?.served === 'redeemed'
}

/** Lower is better: for this very scope, perhaps for it, refused elsewhere, for other routes. */
function rankOf({ credential, macaroon }: Candidate, scope: string, request: Presented): number {
  const named = namesRoute(macaroon, request)
  if (credential.boughtFor === scope || named || (named === undefined && bindsPaths(macaroon))) return 1
  if (named === false) return 4
  return credential.rejectedFor.length === 0 ? 2 : 3
}

/** What was paid for a scope and not served, newest first. What was served after it settles the matter. */
async function unserved(run: Run, scope: string): Promise<readonly PaymentRecord[]> {
  const payments = await paidIn(run, scope)
  // One that the clock had made in the future says nothing of what came first.
  const settled = payments.findIndex(
    ({ served, createdAtMs }) => served === 'redeemed' && createdAtMs <= run.now(),
  )
  const since = settled < 0 ? payments : payments.slice(0, settled)
  return since.filter(({ served }) => served !== 'redeemed')
}

/** The newest payment of a scope that the server took and never served (rule C8), if any. */
export async function owedPayment(run: Run, hop: Hop): Promise<PaymentRecord | undefined> {
  const scope = scopeOf(hop.method, hop.url)
  const debts = await unserved(run, scope)
  if (debts.length === 0) return undefined
  const request = { method: hop.method, path: hop.url.pathname, nowSeconds: Math.floor(run.now() / 1000) }
  const held = await run.purse.credentials(hop.url.origin)
  return debts.find((payment) => {
    if (payment.served !== 'unserved' || payment.state !== 'settled') return true
    // The end of no answer was seen: the process that bought it ended, or reads on. It lapsed since, or its calls were used by then.
    const macaroon = readMacaroon(payment.macaroon)
    const charge = chargedIn(payment.macaroon)
    if (charge && chargeEnd(charge.expires, payment.expiresAt) <= request.nowSeconds) return false
    if (fitnessOf(macaroon, request) === 'expired') return false
    const credential = held.find((one) => equalBytes(one.paymentHash, payment.paymentHash))
    // An answer that began tells that it was good for at least one call, whatever its caveats say.
    const counted = payment.lastStatus !== 0 || charge !== undefined || countsCalls(macaroon)
    return !(counted && credential?.rejectedFor.includes(scope))
  })
}
