/** The paywall for Fastify 5. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { L402Access } from '../server/access.ts'
import { type L402Options, type L402Route, routeGates } from '../server/route-gates.ts'
import { enterNode } from './lib/enter-node.ts'
import { sendAnswer } from './lib/node-lines.ts'
import { isUpgrade } from './lib/node-upgrade.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who has paid; `null` on a free route, left out where no price stands in front of the route. */
    l402?: L402Access | null
  }
}

/** An `onRequest` hook for one route, so that nothing is parsed before it is paid for. */
export type FastifyToll = (
  route: L402Route,
) => (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>

/**
 * Makes the hook for a server's routes. Handlers find who has paid in `request.l402`.
 *
 * @example
 * ```ts
 * import fastify from 'fastify'
 * import { l402 } from '@turnpike/l402/fastify'
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
 * const app = fastify()
 * app.get('/forecast', { onRequest: toll({ name: 'GET /forecast', price: '10 sat' }) }, async (request) => ({
 *   sky: 'clear',
 *   left: request.l402?.left.calls,
 * }))
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): FastifyToll {
  const gateOf = routeGates(options)
  return (route) => {
    const gate = gateOf(route)
    return async (request, reply) => {
      const { raw: req, originalUrl: target, ip: clientAddress, protocol, host } = request
      const base = host === '' ? undefined : `${protocol}://${host}`
      const visit = { req, res: reply.raw, target, clientAddress, base }
      const entry = await enterNode(gate, visit)
      if (entry.outcome === 'pass') {
        request.l402 = entry.access
        return undefined
      }
      // As it is: no serialiser, and no hook of answers that are the app's.
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      // A connection that was handed over for an upgrade is read by nobody any more.
      if (isUpgrade(req)) {
        reply.raw.shouldKeepAlive = false
        reply.raw.once('finish', () => req.socket.end())
      }
      sendAnswer(reply.raw, entry.answer)
      return reply
    }
  }
}
