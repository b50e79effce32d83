/** Rate limits of a seller: per token, per client address, per route. */

import { parseDuration } from '../../core/duration.ts'
import { clientPrefix } from '../client-prefix.ts'
import type { GateRequest } from '../gate.ts'
import { compileRoutes, type RouteMatcher } from '../routes.ts'
import { type Allowance, checkAllowance, type LimitAsk } from './authority.ts'

/** What a rate is counted by. */
export type RateScope =
  /** The credential's token id; a request that is let through without any counts by its address. */
  | 'token'
  /** The client's network: the /24 of an IPv4 address, the /48 of an IPv6 one. Unpaid requests count too. */
  | 'address'
  /** All requests together. */
  | 'route'

/** What a seller writes about a rate. */
export interface RateLimitOffer {
  /** The requests it is for, `[METHOD[,METHOD]] PATH` or a matcher; all of the route or service if left out. */
  readonly match?: string | RouteMatcher | undefined
  /** How many per time: `10/1s`. */
  readonly requests: string
  /** Most at once, from 1; as many as `requests` says if left out. */
  readonly burst?: number | undefined
  readonly per: RateScope
}

/** A rate, checked. */
export interface RateRule {
  /** Its name among all rules of a server. */
  readonly rule: string
  readonly allowance: Allowance
  readonly per: RateScope
  /** Whether a request is one of those it is for; all are if left out. */
  readonly applies?: (method: string, path: string) => boolean
}

const SCOPES: readonly string[] = ['token', 'address', 'route']

/**
 * The rates of a route or service. `owner` names it among all of a server.
 *
 * @throws RangeError, TypeError or L402Error `malformed` that says what was expected.
 */
export function readRateLimits(owner: string, offers: readonly RateLimitOffer[]): readonly RateRule[] {
  return offers.map((offer, index) => {
    const at = `rateLimits[${index}] of ${owner}`
    const { count, windowMs } = readPer(at, offer.requests)
    const allowance = { requests: count, windowMs, burst: offer.burst ?? count }
    checkAllowance(at, allowance)
    if (!SCOPES.includes(offer.per))
      throw new RangeError(`invalid per of ${at}: expected token, address or route`)
    const rule = `${owner}#${index}`
    if (offer.match === undefined) return { rule, allowance, per: offer.per }
    const table = compileRoutes([{ match: offer.match, value: null }])
    return {
      rule,
      allowance,
      per: offer.per,
      applies: (method, path) => table.match(method, path) !== undefined,
    }
  })
}

/**
 * `10/1s` or `5/1d`.
 *
 * @throws RangeError or L402Error `malformed`
 */
export function readPer(at: string, text: string): { readonly count: number; readonly windowMs: number } {
  const parts = /^([1-9][0-9]{0,8})\/(.+)$/.exec(text)
  if (parts === null)
    throw new RangeError(`invalid rate of ${at}: expected a number per time such as 10/1s, got "${text}"`)
  return { count: Number(parts[1]), windowMs: parseDuration(parts[2] ?? '') * 1000 }
}

/** What a request that may be passed on asks of the rules; `tokenId` of its credential, where it has a valid one. */
export function asksOf(
  rules: readonly RateRule[],
  request: GateRequest,
  tokenId: string | undefined,
): readonly LimitAsk[] {
  const asks: LimitAsk[] = []
  for (const { rule, allowance, per, applies } of rules) {
    if (applies !== undefined && !applies(request.method, request.path)) continue
    const key = per === 'route' ? '' : per === 'token' && tokenId !== undefined ? tokenId : prefixOf(request)
    asks.push({ rule, key, allowance })
  }
  return asks
}

/**
 * What a request asks that will not be passed on. Its address counts; the route's own rate does not, or whoever pays nothing
 * could keep out those who pay.
 */
export function unpaidAsksOf(rules: readonly RateRule[], request: GateRequest): readonly LimitAsk[] {
  return asksOf(
    rules.filter(({ per }) => per === 'address'),
    request,
    undefined,
  )
}

/** What a request asks besides {@link unpaidAsksOf}, where it turns out to cost nothing and is passed on. */
export function freeAsksOf(rules: readonly RateRule[], request: GateRequest): readonly LimitAsk[] {
  return asksOf(
    rules.filter(({ per }) => per !== 'address'),
    request,
    undefined,
  )
}

function prefixOf({ clientAddress }: GateRequest): string {
  return clientPrefix(clientAddress)
}
