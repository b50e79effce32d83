/** The paywall for Koa. */

import type { Middleware } from 'koa'
import type { L402Access } from '../server/access.ts'
import { type L402Options, type L402Route, routeGates } from '../server/route-gates.ts'
import { enterNode } from './lib/enter-node.ts'
import { setLines } from './lib/node-lines.ts'
import { type UpgradeToll, upgradeToll } from './lib/upgrade-toll.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { UpgradeHandler, UpgradeToll } from './lib/upgrade-toll.ts'

/** What handlers find in `ctx.state`: `null` on a free route. */
export interface L402State {
  l402: L402Access | null
}

/** Middleware for one route, put before its handler and before anything that parses its body. */
export interface KoaToll {
  (route: L402Route): Middleware<L402State>
  /** For `server.on('upgrade')` of the app's server, which no app's router sees. */
  readonly upgrade: UpgradeToll
}

/**
 * Makes the middleware for an app's routes. Handlers find who has paid in `ctx.state.l402`.
 *
 * @example
 * ```ts
 * import Router from '@koa/router'
 * import { l402 } from '@turnpike/l402/koa'
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
 * const router = new Router()
 * router.get('/forecast/:city', toll({ name: 'GET /forecast/:city', price: '10 sat' }), (ctx) => {
 *   ctx.body = { city: ctx.params['city'], left: ctx.state.l402?.left.calls }
 * })
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): KoaToll {
  const gateOf = routeGates(options)
  const toll = (route: L402Route): Middleware<L402State> => {
    const gate = gateOf(route)
    return async (ctx, next) => {
      const { req, res, originalUrl: target, ip: clientAddress, protocol, host } = ctx
      // Not its `origin`: in Koa 3 that is where a page says that it comes from.
      const base = host === '' ? undefined : `${protocol}://${host}`
      const entry = await enterNode(gate, { req, res, target, clientAddress, base })
      if (entry.outcome === 'answer') {
        const { status, headers, body } = entry.answer
        // The body first: it makes up a status and header lines.
        ctx.body = typeof body === 'string' || body === null ? body : Buffer.from(body)
        ctx.status = status
        setLines(res, headers)
        return
      }
      ctx.state.l402 = entry.access
      try {
        await next()
      } catch (error) {
        await entry.fail()
        throw error
      }
    }
  }
  return Object.assign(toll, { upgrade: upgradeToll(gateOf) })
}
