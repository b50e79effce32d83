/** The paywall for servers of Connect, gRPC and gRPC-Web made with `@connectrpc/connect-node`. */

import { createContextValues, type HandlerContext } from '@connectrpc/connect'
import { type ConnectNodeAdapterOptions, connectNodeAdapter } from '@connectrpc/connect-node'
import type { L402Access } from '../server/access.ts'
import type { L402Options } from '../server/route-gates.ts'
import { CALL, type GatedCall, guarded, settling } from './lib/connect-settling.ts'
import { type ConnectRequest, type ConnectResponse, refuseCall, visitOf } from './lib/connect-visit.ts'
import { holdCall } from './lib/rpc-call.ts'
import { type RpcGate, type RpcMethods, rpcGates } from './lib/rpc-gates.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { RpcMethod } from './lib/rpc-gates.ts'

/** What each method costs, by its path, e.g. `/weather.Weather/Forecast`. One that is not there is unimplemented. */
export type ConnectMethods = RpcMethods

/** For `createServer` of `node:http`, `node:https` and `node:http2`. */
export type ConnectListener = (req: ConnectRequest, res: ConnectResponse) => void

/** A server's router with a price in front of each method; takes what `connectNodeAdapter` takes. */
export type ConnectToll = (methods: ConnectMethods, options: ConnectNodeAdapterOptions) => ConnectListener

/** Who has paid for a call, for its handler; `null` on a free method. */
export function accessOf({ values }: Pick<HandlerContext, 'values'>): L402Access | null {
  return values.get(CALL)?.held?.access ?? null
}

/**
 * Makes what stands in front of a Connect router. A call is charged once, however many messages it has, unless its method
 * says a price `perMessage`.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http2'
 * import type { ConnectRouter } from '@connectrpc/connect'
 * import { l402 } from '@turnpike/l402/connect'
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
 * const methods = { '/weather.Weather/Forecast': { price: '10 sat', grants: { calls: 50 } } }
 *
 * export const serve = (routes: (router: ConnectRouter) => void) => createServer(toll(methods, { routes }))
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): ConnectToll {
  const gatesOf = rpcGates(options)
  return (methods, given) => {
    const gates = gatesOf(methods)
    const { routes, requestPathPrefix: prefix = '', contextValues = createContextValues } = given
    const calls = new WeakMap<object, GatedCall>()
    const handle = connectNodeAdapter({
      ...given,
      routes: (router) => routes(guarded(router)),
      interceptors: [settling, ...(given.interceptors ?? [])],
      contextValues: (req) => contextValues(req).set(CALL, calls.get(req)),
    })

    async function enter(gate: RpcGate, req: ConnectRequest, res: ConnectResponse): Promise<void> {
      let gone = false
      let call: GatedCall | undefined
      res.once('close', () => {
        gone = true
        // Whoever has got the work done pays for it; what no handler has seen was not served.
        void call?.held?.settle(call.taken ? 'left' : 'failed')
      })
      const entry = await gate.route.enter(visitOf(req))
      if (entry.outcome === 'answer') return refuseCall(res, entry.answer)
      const held = await holdCall(gate, entry, req.method ?? 'POST')
      if (held !== null && 'status' in held) return refuseCall(res, held)
      if (gone) return held?.settle('failed')
      call = { held, taken: false }
      calls.set(req, call)
      handle(req, res)
    }

    return (req, res) => {
      // The very text that the router looks up.
      const path = (req.url ?? '').split('?', 2)[0] ?? ''
      const gate = path.startsWith(prefix) ? gates.get(path.slice(prefix.length)) : undefined
      if (gate === undefined) handle(req, res)
      else enter(gate, req, res).catch(() => res.destroy())
    }
  }
}
