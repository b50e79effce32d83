/**
 * The paywall for Next's proxy (`proxy.ts`; `middleware.ts` before Next 16): sells time in front of pages and files, which no
 * route handler serves.
 */

import type { L402Access } from '../server/access.ts'
import { type L402Route, type MountedOptions, type RouteGate, routeGates } from '../server/route-gates.ts'
import { nextBase } from './lib/next-base.ts'
import { serveFetch } from './lib/serve-fetch.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** What the adapter needs besides. */
export interface NextProxyOptions extends MountedOptions {
  /**
   * That of `next.config`, e.g. `/shop`. A proxy sees it in the path; said here, what a browser buys at a page of the route opens
   * the others.
   */
  readonly basePath?: string
  /**
   * The client's address; Next itself does not say it. E.g. the line that your proxy sets. Left out, all clients share one
   * limit of challenges.
   */
  readonly clientAddress?: (request: Request) => string
}

/**
 * Puts a price in front of what the proxy matches. `pass` says how a paid request goes on: with Next's `NextResponse.next()`
 * or a rewrite; its second argument is `null` on a free route. What it throws, or answers, is Next's as ever.
 */
export type NextProxyToll = <Asked extends Request>(
  route: L402Route,
  pass: (request: Asked, l402: L402Access | null) => Response | Promise<Response>,
) => (request: Asked) => Promise<Response>

/**
 * Makes the wrapper for an app's proxy. A proxy does not see what the route answers, so it can neither measure that nor
 * give a use back where the route fails: it sells time (`grants: { valid: … }`), and nothing that is counted.
 *
 * @example
 * ```ts
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { l402 } from '@turnpike/l402/next-proxy'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * declare const NextResponse: { next(): Response } // of next/server
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { reports: {} },
 * })
 *
 * export const proxy = toll({ name: '/reports', price: '100 sat', grants: { valid: '1d' } }, () => NextResponse.next())
 * export const config = { matcher: '/reports/:path*' }
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range, and for a route that does not
 *   sell time alone.
 */
export function l402(options: NextProxyOptions): NextProxyToll {
  const { clientAddress = () => '', ...rest } = options
  const gateOf = routeGates(rest)
  return (route, pass) => {
    const gate = gateOf(route)
    refuseCounted(gate)
    return async (request) => {
      // The answer of the route is not seen here, so none is kept for a request that comes again.
      const headers = new Headers(request.headers)
      headers.delete('idempotency-key')
      const visit = { request, headers, base: nextBase(request), clientAddress: clientAddress(request) }
      return readable(await serveFetch(gate, visit, (access) => pass(request, access)), request)
    }
  }
}

/** The payment page sends its reader to the same address as `#`; of a proxy Next reads whole URLs alone, and fails for others. */
function readable(answer: Response, { url }: Request): Response {
  if (answer.headers.get('location') === '#') answer.headers.set('location', url)
  return answer
}

/** What is counted has to be given back where the route fails (protocol §5 rule 4), and that is not seen here. */
function refuseCounted({ terms: { name, free, grants, freebie } }: RouteGate): void {
  if (free) return
  const { validSeconds, calls, creditMsat } = grants
  if (validSeconds === undefined || calls !== undefined || creditMsat !== undefined)
    throw new RangeError(
      `invalid grants of route "${name}": expected { valid: … } alone, since a proxy does not see what the route answers`,
    )
  if (freebie !== undefined)
    throw new RangeError(`invalid freebie of route "${name}": expected none, since a proxy counts nothing`)
}
