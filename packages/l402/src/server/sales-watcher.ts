/** What a gate tells of its sales, for a journal: plain facts, off the way of requests. Nothing in them opens anything. */

import { encodeHex } from '../core/bytes.ts'
import type { Summary } from '../core/clear.ts'
import type { SaleFacts, SoldGrants } from '../stores/journal.ts'
import { redemptionOf } from './admission.ts'
import type { IssuedChallenge } from './challenger.ts'
import type { Grants, RouteTerms } from './gate.ts'
import type { VerifiedCredential } from './verify.ts'

/** A challenge that was sent: what will have been sold if it is paid. */
export interface ChallengedSale extends SaleFacts {
  /** Unix seconds until which it can be paid. */
  readonly payableUntil: number
}

/**
 * Told of sales; must be quick and must not throw. Facts of a narrowed copy are those of what was bought as far as the
 * route knows them.
 */
export interface SalesWatcher {
  challenged(sale: ChallengedSale): void
  /**
   * A credential opens something here, for the first time that this gate remembers. Answers whether that is taken care of;
   * if not, it is told again.
   */
  redeemed(sale: SaleFacts): boolean
  /** What was bought is used up: a request with it was refused. Told with every such request. */
  exhausted(sale: SaleFacts): void
}

/** What a route sells, as the journal keeps it. */
function soldGrants({ calls, creditMsat, validSeconds }: Grants): SoldGrants {
  return { calls: calls ?? null, creditMsat: creditMsat ?? null, validSeconds: validSeconds ?? null }
}

/** What is sold if this challenge is paid. Handed out again, it is the same sale. */
export function challengedSale(
  { service, name, grants }: RouteTerms,
  { paymentHash, tokenId, amountMsat, expiresAt }: IssuedChallenge,
): ChallengedSale {
  return {
    ...{ paymentHash, tokenId, service, route: name, amountMsat, amountExact: true },
    grants: soldGrants(grants),
    callsKey: null,
    endsAtMs: null,
    payableUntil: expiresAt,
  }
}

/**
 * The facts that a credential shows. What it cost is known to whoever made the invoice; the route's price is a guess, and
 * where a pricer says it there is none.
 */
export function saleOf(route: RouteTerms, verified: VerifiedCredential, summary: Summary): SaleFacts {
  const [first] = summary.counters
  const counted = route.grants.calls !== undefined && first?.kind === 'max_calls'
  const { endsAtMs = null } = redemptionOf(verified, summary, route.service)
  // A holder's copy for one request ends long before what was sold.
  const end = summary.attenuated ? summary.mintedExpiresAt : summary.expiresAt
  return {
    paymentHash: verified.paymentHash,
    tokenId: verified.tokenId,
    service: route.service,
    route: route.name,
    amountMsat: route.pricer === undefined ? route.priceMsat : null,
    amountExact: false,
    grants: {
      calls: counted ? Number(first.limit) : null,
      creditMsat: summary.credit?.amountMsat ?? null,
      validSeconds: route.grants.validSeconds ?? null,
    },
    // The mint's own counter comes first in the chain.
    callsKey: counted ? encodeHex(first.key) : null,
    endsAtMs: endsAtMs ?? (end === null ? null : end * 1000),
  }
}
