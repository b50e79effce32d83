/** What is sold on some hosts, for the documents that tell it: made of the routes themselves, so that they cannot differ. */

import { isMemoTemplate, sellsSessions, sessionUnit } from '@turnpike/l402/server'
import type { RouteConfig, ServiceConfig } from '../config/config.ts'
import type { SessionsConfig } from '../config/sessions.ts'

/** What one payment buys. */
type Reuse = 'single' | 'bundle' | 'timed' | 'metered'

/** One route that is listed. */
export interface ListedRoute {
  readonly service: string
  /** As the operator wrote it. */
  readonly match: string
  /** Empty: any. */
  readonly methods: readonly string[]
  /** `/forecast/*`; `null` for an expression, which no document has a form for. */
  readonly path: string | null
  readonly free: boolean
  /** `null` where each request is priced on its own. */
  readonly priceMsat: bigint | null
  readonly grants: RouteConfig['grants']
  readonly reuse: Reuse
  /**
   * Whether its challenges may hold the Payment scheme: not where it is paid on delivery, which that has no form for, costs parts
   * of a satoshi, or is in shadow and has no challenges.
   */
  readonly payable: boolean
  /** What a request costs in a session of the Payment scheme; `null`: the challenge says it; `undefined`: there are none. */
  readonly sessionSats: bigint | null | undefined
  readonly memo: string | undefined
}

/** A service with its routes. */
export interface ListedService {
  readonly name: string
  readonly description: string | undefined
  readonly routes: readonly ListedRoute[]
  /** Conditions of the table in protocol §5 that are enforced, with the service's name in front of those that carry one. */
  readonly conditions: readonly string[]
}

const CONDITIONS = [
  'capabilities',
  'valid_until',
  'max_calls',
  'max_spend_msat',
  'rate',
  'methods',
  'paths',
  'ip',
  'origin',
] as const

/** The services in the order written, without what is hidden. */
export function listServices(
  services: readonly ServiceConfig[],
  sessions: SessionsConfig | undefined,
): readonly ListedService[] {
  return services
    .filter(({ hidden }) => !hidden)
    .map((service) => ({
      name: service.name,
      description: service.description,
      routes: service.routes.filter(isListed).map((route) => listRoute(service.name, route, sessions)),
      conditions: [
        'services',
        ...CONDITIONS.map((condition) => `${service.name}_${condition}`),
        ...['dpop_jkt', 'crit'],
      ],
    }))
    .filter(({ routes }) => routes.length > 0)
}

/** Whether the documents tell of a route of a service that is not hidden itself. */
export function isListed({ hidden, policy }: RouteConfig): boolean {
  // What sells nothing has no price to tell.
  return !hidden && policy.skipInvoice !== true
}

function listRoute(service: string, route: RouteConfig, sessions: SessionsConfig | undefined): ListedRoute {
  const { match, free, price, priceMsat, grants, charge, memo } = route
  const parts = match.split(' ')
  const path = parts.at(-1) ?? ''
  const isExpression = /(^| )~/.test(match)
  return {
    service,
    match,
    methods: isExpression || parts.length === 1 ? [] : (parts[0] ?? '').split(','),
    path: isExpression ? null : path,
    free,
    priceMsat: free ? 0n : price === undefined ? priceMsat : null,
    grants,
    reuse:
      charge !== undefined ? 'metered' : grants.validSeconds !== undefined ? 'timed' : reuseOf(grants.calls),
    payable: !route.hold && route.policy.shadow !== true && (price !== undefined || priceMsat % 1000n === 0n),
    sessionSats: sessions === undefined ? undefined : sessionSats(route, sessions),
    // With names in braces it is a text for invoices alone.
    memo: memo === undefined || isMemoTemplate(memo) ? undefined : memo,
  }
}

/** As challenges offer them: not where the deposit is more than a session without a pin may hold, or no whole satoshis. */
function sessionSats(route: RouteConfig, { pin, mostMsat }: SessionsConfig): bigint | null | undefined {
  const { price, priceMsat } = route
  const pricer = price?.kind === 'grpc' && price.metered ? { metered: true } : undefined
  if (!sellsSessions({ ...route, ...route.policy, pricer })) return undefined
  if (price !== undefined) return route.charge === undefined ? null : sessionUnit(route, 0n).sats
  if (priceMsat % 1000n !== 0n || (!pin && priceMsat > mostMsat)) return undefined
  return sessionUnit(route, priceMsat).sats
}

function reuseOf(calls: number | undefined): Reuse {
  return calls === undefined || calls === 1 ? 'single' : 'bundle'
}
