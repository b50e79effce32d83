/** The paywall for handlers of fetch's shape: Workers, Bun, Deno. */

import type { L402Access } from '../server/access.ts'
import { type L402Route, type MountedOptions, routeGates } from '../server/route-gates.ts'
import { serveFetch } from './lib/serve-fetch.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** What the adapter needs besides. `Args`: what the server gives to handlers after the request. */
export interface FetchOptions<Args extends readonly unknown[] = readonly unknown[]> extends MountedOptions {
  /**
   * The client's address, e.g. what the platform says in a header that clients cannot set. Left out, all clients share one
   * limit of challenges.
   */
  readonly clientAddress?: (request: Request, ...args: Args) => string
}

/** A handler behind the gate; `l402` is `null` on a free route. */
export type FetchHandler<Args extends readonly unknown[]> = (
  request: Request,
  l402: L402Access | null,
  ...args: Args
) => Response | Promise<Response>

/** Puts a price in front of a handler. */
export type FetchToll = <Args extends readonly unknown[]>(
  route: L402Route,
  handler: FetchHandler<Args>,
) => (request: Request, ...args: Args) => Promise<Response>

/**
 * Makes the wrapper for a server's routes.
 *
 * @example
 * ```ts
 * import { l402 } from '@turnpike/l402/fetch'
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 * export const handle = toll({ name: 'GET /forecast', price: '10 sat' }, (_request, l402) =>
 *   Response.json({ sky: 'clear', left: l402?.left.calls }),
 * )
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: FetchOptions): FetchToll {
  const { clientAddress = () => '', ...rest } = options
  const gateOf = routeGates(rest)
  return (route, handler) => {
    const gate = gateOf(route)
    return (request, ...args) => {
      const visit = { request, basePath: options.basePath, clientAddress: clientAddress(request, ...args) }
      return serveFetch(gate, visit, (access) => handler(request, access, ...args))
    }
  }
}
