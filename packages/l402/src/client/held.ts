/** Credentials that are in the purse already: which to present, in which order (rules C8, C9). */

import { encodeHex, equalBytes } from '../core/bytes.ts'
import type { Macaroon } from '../core/macaroon.ts'
import type { PaymentRecord, StoredCredential } from '../stores/purse.ts'
import { canCarry } from './carry.ts'
import {
  countsCalls,
  fitnessOf,
  isSingleUse,
  isTimePass,
  namesRoute,
  readMacaroon,
} from './credential-facts.ts'
import type { Hop } from './hop.ts'
import { chargedIn } from './payment-scheme/charge.ts'
import { chargeEnd } from './payment-scheme/check-charge.ts'
import type { Run } from './run.ts'
import { scopeOf } from './scope.ts'

/** Credentials looked at per origin, newest first. */
const MOST_CONSIDERED = 64
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
}

/**
 * The credentials worth presenting, best first: what was paid for this scope and not served yet, rejected or not
 * (rule C8); then those bought for it; then others of the origin. Expired and rejected ones are left out, and those
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
  const debts = new Set((await unserved(run, scope)).map(({ paymentHash }) => encodeHex(paymentHash)))
  const ranked: { credential: StoredCredential; rank: number }[] = []
  const all = await run.purse.credentials(hop.url.origin)
  // A charge is for one call: presented until that was served, and never again (protocol §6).
  const worth = all.filter(
    ({ macaroon, paymentHash }) => !chargedIn(macaroon) || debts.has(encodeHex(paymentHash)),
  )
  for (const credential of worth.slice(0, MOST_CONSIDERED)) {
    if (options.tried.has(credential.id)) continue
    const macaroon = readMacaroon(credential.macaroon)
    if (!canCarry(run, hop, credential.macaroon)) continue
    const fitness = fitnessOf(macaroon, request)
    // Where it was bought it fits: the server may see another path than the one asked for.
    if (fitness === 'expired' || (fitness === 'elsewhere' && credential.boughtFor !== scope)) continue
    const payment = await run.purse.payment(credential.paymentHash)
    const owed = debts.has(encodeHex(credential.paymentHash))
    if (!owed && options.owedOnly) continue
    if (!(owed && options.locked) && payment && isAnothers(run, { payment, credential, macaroon })) continue
    if (!owed && credential.rejectedFor.includes(scope)) continue
    // Its one call was had; an answer that was cut off (status 0) may have been given back.
    if (!owed && payment?.served === 'redeemed' && payment.lastStatus !== 0 && isSingleUse(macaroon)) continue
    ranked.push({ credential, rank: owed ? 0 : rankOf(credential, scope, namesRoute(macaroon, request)) })
  }
  ranked.sort((a, b) => a.rank - b.rank)
  return ranked.slice(0, MOST_PRESENTED).map(({ credential }) => credential)
}

/**
 * Whether another process may have just bought this and be about to present it: one that counts calls is left to it.
 */
function isAnothers(
  run: Run,
  held: { payment: PaymentRecord; credential: StoredCredential; macaroon: Macaroon | undefined },
): boolean {
  const { payment, credential, macaroon } = held
  const fresh = run.now() - credential.createdAtMs < run.paymentTimeoutMs
  return payment.served === 'unserved' && fresh && !isTimePass(macaroon)
}

/** Lower is better. `named`: whether its capabilities are named after this route. */
function rankOf(credential: StoredCredential, scope: string, named: boolean | undefined): number {
  if (credential.boughtFor === scope) return 1
  if (named !== undefined) return named ? 2 : 5
  return credential.rejectedFor.length === 0 ? 3 : 4
}

/** What was paid for a scope and not served, newest first. What was served after it settles the matter. */
async function unserved(run: Run, scope: string): Promise<readonly PaymentRecord[]> {
  const payments = await run.purse.payments(MOST_CONSIDERED, scope)
  const settled = payments.findIndex(({ served }) => served === 'redeemed')
  return (settled < 0 ? payments : payments.slice(0, settled)).filter(
    ({ state }) => state === 'settled' || state === 'paid_unproven',
  )
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
    // No answer to it was ever seen: the process that bought it ended. It lapsed since, or its calls were used by then.
    const macaroon = readMacaroon(payment.macaroon)
    const charge = chargedIn(payment.macaroon)
    if (charge && chargeEnd(charge.expires, payment.expiresAt) <= request.nowSeconds) return false
    if (fitnessOf(macaroon, request) === 'expired') return false
    const credential = held.find((one) => equalBytes(one.paymentHash, payment.paymentHash))
    const counted = charge !== undefined || countsCalls(macaroon)
    return !(counted && credential?.rejectedFor.includes(scope))
  })
}
