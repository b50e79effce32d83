/** What a request gets that no credential opens: a challenge to pay, or why there is none. */

import type { ServicePolicy } from '../core/clear.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { challengeAnswer, priceOutOfBounds, unsoldAnswer } from './answers.ts'
import { headerValue } from './clear-request.ts'
import type { Denial } from './denial.ts'
import type { ProofVerifier } from './dpop.ts'
import type { Decision, GateRequest, Refused } from './gate.ts'
import type { AmountBounds } from './limits/amount-bounds.ts'
import { freeAsksOf } from './limits/rate-rules.ts'
import type { Selling } from './limits/selling.ts'
import type { Throttle } from './limits/throttle.ts'
import { asProblem, type PaymentScheme } from './payment-scheme/scheme.ts'
import { mintedTeller } from './pricing/meter-gate.ts'
import { noPrice } from './pricing/pricer.ts'
import type { Pricing } from './pricing/pricing.ts'
import { challengedSale, type SalesWatcher } from './sales-watcher.ts'

/** What {@link createDemand} works with. */
interface DemandOptions {
  readonly selling: Selling
  readonly pricing: Pricing
  readonly throttle: Throttle
  /** Throws for a service that the gate does not know. */
  readonly policyOf: (service: string) => ServicePolicy
  /** Which prices can be sold. */
  readonly bounds: AmountBounds
  readonly proofs: ProofVerifier | undefined
  readonly sales: SalesWatcher | undefined
  /** Offers the Payment scheme besides. */
  readonly payment: PaymentScheme | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** RFC 9449 §7.1: says that the same request with a proof buys a credential that is bound to its key. */
const BINDING: HeaderLines = ['WWW-Authenticate', 'DPoP algs="ES256"']

/** Answers a request that has been counted as an unpaid one. */
export type Demand = (request: GateRequest, denial: Denial) => Decision | Promise<Decision>

/** See {@link Demand}. */
export function createDemand(options: DemandOptions): Demand {
  const { selling, pricing, throttle, policyOf, bounds, proofs, sales, payment, now } = options
  const tellMinted = mintedTeller(pricing.told)

  async function challenge(request: GateRequest, { refusal, topUp }: Denial): Promise<Refused> {
    const { pricer, priceMsat } = request.route
    const outside = bounds(priceMsat)
    if (outside !== undefined) {
      if (pricer !== undefined)
        pricing.told(request, pricer, noPrice(outside.why, `the price of ${outside.detail}`))
      return priceOutOfBounds(request)
    }
    const thumbprint = await provenKey(request)
    const issued = await selling.sell(request, {
      tier: policyOf(request.route.service).tier ?? 0,
      // A payment hash hangs on the token id, so each has its own.
      topUp: request.route.hold === true ? null : topUp,
      clientAddress: request.clientAddress,
      origin: headerValue(request.headers, 'origin'),
      thumbprint,
      asker: request.asker,
    })
    if ('outcome' in issued) return issued
    const untold = await tellMinted(request, issued)
    if (untold !== null) return untold
    // Told before it goes out, so that nobody can have paid before it is known.
    sales?.challenged(challengedSale(request.route, issued))
    const { hold } = issued
    const offers = hold === undefined ? (payment?.offers.lines(request, issued) ?? []) : []
    const binding = thumbprint === undefined && bindsKeys(request) ? BINDING : []
    const told = challengeAnswer(request, refusal, { issued, payment: [...offers, ...binding] })
    // P-S 7: whoever may speak the other scheme, and has presented nothing, is told so in its words.
    const answer =
      offers.length > 0 && refusal.reason === 'missing' ? asProblem(told, 'payment-required') : told
    return hold === undefined ? answer : { ...answer, hold }
  }

  /** Whether the route sells credentials that are bound to a key, to whoever proves one. */
  function bindsKeys({ route, base }: Pick<GateRequest, 'route' | 'base'>): boolean {
    return route.conditions?.dpop === true && proofs !== undefined && base !== undefined
  }

  /** The key that a purchase is to be bound to: of the unpaid request's own proof. */
  async function provenKey(request: GateRequest): Promise<string | undefined> {
    const { method, path, base, headers } = request
    if (!bindsKeys(request) || proofs === undefined || base === undefined) return undefined
    if (headerValue(headers, 'dpop') === undefined) return undefined
    const proof = await proofs({ method, url: base + path, headers, tokens: [], nowMs: now() })
    return proof.ok ? proof.thumbprint : undefined
  }

  async function atItsPrice(request: GateRequest, denial: Denial): Promise<Decision> {
    const priced = await pricing.settle(request)
    if (!('outcome' in priced)) return challenge(priced, denial)
    if (priced.outcome === 'refuse') return priced
    return throttle(request, freeAsksOf(request.route.limits ?? [], request), () => priced)
  }

  return (request, denial) => {
    const { skipInvoice, shadow, pricer, priceMsat } = request.route
    // In shadow the answer is never seen, so no invoice is made for it.
    if (skipInvoice === true || shadow === true) return unsoldAnswer(request, denial.refusal)
    // The price comes first: what is free needs no challenge, and the challenge is for this price.
    return pricer !== undefined && priceMsat === 0n ? atItsPrice(request, denial) : challenge(request, denial)
  }
}
