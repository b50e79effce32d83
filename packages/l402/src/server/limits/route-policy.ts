/** What is free, limited, unsold or only watched on a route. */

import type { RouteTerms } from '../gate.ts'
import { readFreebie } from './freebies.ts'
import { type RateLimitOffer, readRateLimits } from './rate-rules.ts'

/** What a seller writes about what a service gives away and limits. */
export interface ServicePolicyOffer {
  /** Requests that each client prefix has for nothing: `5/1d`. On a service, of its paid routes together. */
  readonly freebie?: string | undefined
  /** Rates; a request must be within all of them, or it gets 429 and none counts it. */
  readonly rateLimits?: readonly RateLimitOffer[] | undefined
}

/** What a seller writes about it on one route. */
export interface RoutePolicyOffer extends ServicePolicyOffer {
  /** Sells nothing: a request without a valid credential gets 401 and no challenge (rule S1). */
  readonly skipInvoice?: boolean | undefined
  /** Everything is decided and counted, and nothing is refused. */
  readonly shadow?: boolean | undefined
}

type RoutePolicy = Pick<RouteTerms, 'freebie' | 'limits' | 'skipInvoice' | 'shadow'>

/** What a route is called among those that limit something. */
function ownerOf(service: string, name = ''): string {
  return name === '' ? service : `${service} ${name}`
}

/**
 * The policy of one route.
 *
 * @throws RangeError, TypeError or L402Error `malformed` that says what was expected.
 */
export function routePolicy(service: string, name: string, offer: RoutePolicyOffer): RoutePolicy {
  const owner = ownerOf(service, name)
  return {
    ...(offer.freebie === undefined ? {} : { freebie: readFreebie(owner, offer.freebie) }),
    ...(offer.rateLimits === undefined ? {} : { limits: readRateLimits(owner, offer.rateLimits) }),
    ...(offer.skipInvoice === true ? { skipInvoice: true } : {}),
    ...(offer.shadow === true ? { shadow: true } : {}),
  }
}

/**
 * The terms with what stands on the route's service: its freebies where the route has none of its own, its rates beside the
 * route's.
 *
 * @throws like {@link routePolicy}.
 */
export function withServicePolicy(terms: RouteTerms, offer: ServicePolicyOffer): RouteTerms {
  const owner = ownerOf(terms.service)
  const freebie =
    terms.free || offer.freebie === undefined
      ? terms.freebie
      : (terms.freebie ?? readFreebie(owner, offer.freebie))
  const limits = [
    ...(terms.limits ?? []),
    ...(offer.rateLimits === undefined ? [] : readRateLimits(owner, offer.rateLimits)),
  ]
  return {
    ...terms,
    ...(freebie === undefined ? {} : { freebie }),
    ...(limits.length === 0 ? {} : { limits }),
  }
}
