/** The paywall for tRPC over HTTP: in front of `fetchRequestHandler`, where each procedure has a price. */

import { answerResponse, headerLines } from '../server/fetch-answers.ts'
import { type L402Route, routeGates } from '../server/route-gates.ts'
import { problemAnswer } from '../server/whole-answer.ts'
import type { FetchHandler, FetchOptions } from './fetch.ts'
import { type PaidHandler, serveFetch } from './lib/serve-fetch.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { FetchHandler, FetchOptions } from './fetch.ts'

/** What each procedure costs, by its path, e.g. `weather.forecast`. One that is not there is not found. */
export type TrpcProcedures = Readonly<Record<string, Omit<L402Route, 'name'>>>

/** Where the procedures are, and what serves them. */
export interface TrpcServer<Args extends readonly unknown[]> {
  /** As `fetchRequestHandler` is told it: the path that stands before the procedures', e.g. `/trpc`. */
  readonly endpoint: string
  /** Calls `fetchRequestHandler`; its context may hold who has paid, which is `null` for free procedures. */
  readonly handle: FetchHandler<Args>
}

/** Puts a price in front of each procedure. */
export type TrpcToll = <Args extends readonly unknown[]>(
  procedures: TrpcProcedures,
  server: TrpcServer<Args>,
) => (request: Request, ...args: Args) => Promise<Response>

/**
 * Makes what stands in front of a tRPC router. Each request is a use of the procedure that it calls; one request calls one
 * paid procedure, since its answer has one status and one challenge. A batch of free ones passes the gate of each.
 *
 * @example
 * ```ts
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 * import { type L402Access, l402 } from '@turnpike/l402/trpc'
 * import { initTRPC } from '@trpc/server'
 * import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
 *
 * const toll = l402({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 * const t = initTRPC.context<{ l402: L402Access | null }>().create()
 * const router = t.router({ forecast: t.procedure.query(({ ctx }) => ({ sky: 'clear', left: ctx.l402?.left.calls })) })
 *
 * export const handle = toll(
 *   { forecast: { price: '10 sat', grants: { calls: 50 } } },
 *   {
 *     endpoint: '/trpc',
 *     handle: (req, l402) => fetchRequestHandler({ endpoint: '/trpc', req, router, createContext: () => ({ l402 }) }),
 *   },
 * )
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402({ clientAddress = () => '', ...options }: FetchOptions): TrpcToll {
  const gateOf = routeGates(options)
  return (procedures, { endpoint, handle }) => {
    if (!/^(?:\/[\w.~-]+)*\/?$/.test(endpoint))
      throw new RangeError(`invalid endpoint ${endpoint}: expected a path, e.g. /trpc`)
    const prefix = endpoint.endsWith('/') ? endpoint : `${endpoint}/`
    const gates = new Map(
      Object.entries(procedures).map(([path, offer]) => {
        // Nothing that a URL spells in more than one way, nor what batches are split at.
        if (!/^[\w$~-]+(?:[./][\w$~-]+)*$/.test(path))
          throw new RangeError(`invalid procedure ${path}: expected its path, e.g. weather.forecast`)
        return [path, gateOf({ ...offer, name: path })]
      }),
    )
    return async (request, ...args) => {
      const { pathname } = new URL(request.url)
      // The very text, undecoded: whatever tRPC would read into another one is not found here.
      const paths = pathname.startsWith(prefix) ? pathname.slice(prefix.length).split(',') : []
      const called = paths.flatMap((path) => gates.get(path) ?? [])
      if (called.length === 0 || called.length !== paths.length)
        return refused(request, 'no_route', 'no procedure is sold under this path')
      const free = called.every(({ terms }) => terms.free)
      if (called.length > 1 && !free)
        return refused(request, 'bad_target', 'expected one procedure a request, since one of these is paid')
      // Such an answer is a 200 whatever becomes of the call, so that a failed one would be used up.
      if (!free && streamsLines(request))
        return refused(request, 'bad_target', 'expected to be asked for application/json, as by httpLink')
      const visit = { request, basePath: options.basePath, clientAddress: clientAddress(request, ...args) }
      // Each call of a batch is a request at its own gate, and none runs before all of them have passed.
      const run = called.reduceRight<PaidHandler>(
        (inner, gate) => () => serveFetch(gate, visit, inner),
        (access) => handle(request, access, ...args),
      )
      return run(null)
    }
  }
}

function streamsLines({ headers }: Request): boolean {
  return /jsonl/i.test(`${headers.get('trpc-accept')} ${headers.get('accept')}`)
}

function refused({ method, headers }: Request, code: 'bad_target' | 'no_route', detail: string): Response {
  return answerResponse(problemAnswer({ method, headers: headerLines(headers) }, code, detail))
}
