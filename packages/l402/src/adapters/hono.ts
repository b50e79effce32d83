/** The paywall for Hono. */

import type { Context, MiddlewareHandler } from 'hono'
import type { L402Access } from '../server/access.ts'
import { type L402Route, type MountedOptions, routeGates } from '../server/route-gates.ts'
import { type Closable, closeAt } from './lib/close-at.ts'
import { serveFetch } from './lib/serve-fetch.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** What the adapter needs besides. */
export interface HonoOptions extends MountedOptions {
  /** The client's address; that of the connection if left out, where Hono runs on Node, else unknown. */
  readonly clientAddress?: (c: Context) => string
}

/** What handlers find in the context: `c.get('l402')`, `null` on a free route. */
export interface L402Env {
  readonly Variables: { l402: L402Access | null }
}

/** Middleware for one route, put before its handler. */
export type HonoToll = (route: L402Route) => MiddlewareHandler<L402Env>

/**
 * Makes the middleware for an app's routes.
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { l402 } from '@turnpike/l402/hono'
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
 * const app = new Hono()
 * app.get('/forecast/:city', toll({ name: 'GET /forecast/:city', price: '10 sat' }), (c) =>
 *   c.json({ city: c.req.param('city'), left: c.get('l402')?.left.calls }),
 * )
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: HonoOptions): HonoToll {
  const { clientAddress = connectionAddress, ...rest } = options
  const gateOf = routeGates(rest)
  return (route) => {
    const gate = gateOf(route)
    return async (c, next) => {
      const visit = {
        request: c.req.raw,
        basePath: options.basePath,
        clientAddress: clientAddress(c),
        // Hono answers for a handler that throws.
        failed: () => c.error !== undefined,
        passed({ expiresAt = null }: { readonly expiresAt?: number | null }) {
          const { incoming } = (c.env ?? {}) as NodeBindings
          if (incoming?.upgrade !== true || incoming.socket === undefined) return
          incoming.socket.once('close', closeAt(incoming.socket, expiresAt))
        },
      }
      const response = await serveFetch(gate, visit, async (access) => {
        c.set('l402', access)
        await next()
        // To read `c.res` would make an empty answer, and that would be paid for.
        if (access !== null && !c.finalized)
          throw new TypeError('invalid answer: expected a Response that can be sent')
        return c.res
      })
      if (response === c.res) return
      // Else Hono lays the old answer's header lines over the new ones; a refusal keeps those of middleware before it.
      if (c.finalized) c.res = undefined
      c.res = response
    }
  }
}

/** What `@hono/node-server` hands on of Node's request. */
interface NodeBindings {
  readonly incoming?: {
    readonly upgrade?: boolean
    readonly socket?: Closable & { readonly remoteAddress?: string }
  }
}

/** As `@hono/node-server` has it. */
function connectionAddress(c: Context): string {
  const { incoming } = (c.env ?? {}) as NodeBindings
  return incoming?.socket?.remoteAddress ?? ''
}
