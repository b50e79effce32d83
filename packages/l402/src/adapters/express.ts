/** The paywall for Express 5 and 4. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { L402Access } from '../server/access.ts'
import { type L402Options, type L402Route, routeGates } from '../server/route-gates.ts'
import { enterNode } from './lib/enter-node.ts'
import { baseOf } from './lib/node-http2.ts'
import { sendAnswer } from './lib/node-lines.ts'
import { type UpgradeToll, upgradeToll } from './lib/upgrade-toll.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { UpgradeHandler, UpgradeToll } from './lib/upgrade-toll.ts'

declare global {
  namespace Express {
    interface Request {
      /** Who has paid; `null` on a free route, left out where no price stands in front of the route. */
      l402?: L402Access | null
    }
  }
}

/** As much of Express's request as is read here; its address and scheme follow the app's `trust proxy`. */
export interface ExpressRequest extends IncomingMessage {
  readonly originalUrl: string
  readonly ip?: string | undefined
  readonly protocol: string
  l402?: L402Access | null
}

/** Middleware for one route, put before its handler and before anything that parses its body. */
export interface ExpressToll {
  (route: L402Route): (req: ExpressRequest, res: ServerResponse, next: (error?: unknown) => void) => void
  /** For `server.on('upgrade')` of the app's server, which no app's router sees. */
  readonly upgrade: UpgradeToll
}

/**
 * Makes the middleware for an app's routes. Handlers find who has paid in `req.l402`.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { l402 } from '@turnpike/l402/express'
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
 * const app = express()
 * app.get('/forecast/:city', toll({ name: 'GET /forecast/:city', price: '10 sat' }), (req, res) => {
 *   res.json({ city: req.params['city'], left: req.l402?.left.calls })
 * })
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): ExpressToll {
  const gateOf = routeGates(options)
  const toll = (route: L402Route): ReturnType<ExpressToll> => {
    const gate = gateOf(route)
    return (req, res, next) => {
      const { originalUrl: target, ip: clientAddress, protocol } = req
      const base = baseOf(req, protocol)
      enterNode(gate, { req, res, target, clientAddress, base }).then((entry) => {
        if (entry.outcome === 'answer') return sendAnswer(res, entry.answer)
        req.l402 = entry.access
        next()
      }, next)
    }
  }
  return Object.assign(toll, { upgrade: upgradeToll(gateOf) })
}
