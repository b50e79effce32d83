/** The paywall for handlers of `node:http`, `node:https` and the compatible half of `node:http2`. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { L402Access } from '../server/access.ts'
import { type L402Options, type L402Route, routeGates } from '../server/route-gates.ts'
import { enterNode } from './lib/enter-node.ts'
import { sendAnswer } from './lib/node-lines.ts'
import { type UpgradeToll, upgradeToll } from './lib/upgrade-toll.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { UpgradeHandler, UpgradeToll } from './lib/upgrade-toll.ts'

/** What the adapter needs besides. */
export interface NodeOptions extends L402Options {
  /** The client's address; that of the connection if left out, which behind a proxy is the proxy's. */
  readonly clientAddress?: (req: IncomingMessage) => string
}

/** A handler behind the gate; `l402` is `null` on a free route. */
export type NodeHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  l402: L402Access | null,
) => void | Promise<void>

/** Puts a price in front of a handler. What the handler throws comes out of the promise, once the use is given back. */
export interface NodeToll {
  (route: L402Route, handler: NodeHandler): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  /** The same for `server.on('upgrade')`. */
  readonly upgrade: UpgradeToll
}

/**
 * Makes the wrapper for a server's routes.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { l402 } from '@turnpike/l402/node'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 * const forecast = toll({ name: 'GET /forecast', price: '10 sat' }, (_req, res, l402) => {
 *   res.end(`clear, ${l402?.left.calls} left`)
 * })
 *
 * createServer((req, res) => {
 *   if (req.url === '/forecast') void forecast(req, res).catch(() => res.destroy())
 *   else res.writeHead(404).end()
 * })
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: NodeOptions): NodeToll {
  const { clientAddress, ...rest } = options
  const gateOf = routeGates(rest)
  const toll = (route: L402Route, handler: NodeHandler): ReturnType<NodeToll> => {
    const gate = gateOf(route)
    return async (req, res) => {
      const visit =
        clientAddress === undefined ? { req, res } : { req, res, clientAddress: clientAddress(req) }
      const entry = await enterNode(gate, visit)
      if (entry.outcome === 'answer') return sendAnswer(res, entry.answer)
      try {
        await handler(req, res, entry.access)
      } catch (error) {
        await entry.fail()
        throw error
      }
    }
  }
  return Object.assign(toll, { upgrade: upgradeToll(gateOf, clientAddress) })
}
