/** The paywall for Next's route handlers (`app/…/route.ts`). */

import type { L402Access } from '../server/access.ts'
import { type L402Route, type MountedOptions, routeGates } from '../server/route-gates.ts'
import { hiddenBasePath, nextBase } from './lib/next-base.ts'
import { serveFetch } from './lib/serve-fetch.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** What the adapter needs besides. */
export interface NextOptions extends MountedOptions {
  /**
   * That of `next.config`, e.g. `/shop`; Next takes it off the path that a handler sees, so that without it nothing of what
   * clients say about paths holds, and browsers do not keep what they have bought.
   */
  readonly basePath?: string
  /**
   * The client's address; Next itself does not say it. E.g. the line that your proxy sets. Left out, all clients share one
   * limit of challenges.
   */
  readonly clientAddress?: (request: Request) => string
}

/** What a handler's context holds besides. */
export interface L402Context {
  /** `null` on a free route. */
  readonly l402: L402Access | null
}

/** Puts a price in front of a route handler, whose context has `l402` besides. */
export type NextToll = <Asked extends Request, Context extends L402Context>(
  route: L402Route,
  handler: (request: Asked, context: Context) => Response | Promise<Response>,
) => (request: Asked, context: Omit<Context, keyof L402Context>) => Promise<Response>

/**
 * Makes the wrapper for an app's routes. Make it once, in a module that the routes import.
 *
 * @example
 * ```ts
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { type L402Context, l402 } from '@turnpike/l402/next'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 * export const GET = toll(
 *   { name: 'GET /forecast/[city]', price: '10 sat' },
 *   async (_request: Request, { params, l402 }: L402Context & { params: Promise<{ city: string }> }) =>
 *     Response.json({ city: (await params).city, service: l402?.service }),
 * )
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: NextOptions): NextToll {
  const { clientAddress = () => '', ...rest } = options
  const gateOf = routeGates(rest)
  return (route, handler) => {
    const gate = gateOf(route)
    return (request, context) => {
      const visit = {
        request,
        base: nextBase(request),
        basePath: hiddenBasePath(request, options),
        clientAddress: clientAddress(request),
      }
      return serveFetch(gate, visit, (access) =>
        handler(request, { ...context, l402: access } as typeof context & L402Context as never),
      )
    }
  }
}
