/** The paywall for servers of `@grpc/grpc-js`. */

import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { isL402Error } from '../core/errors.ts'
import { createAccess, type L402Access } from '../server/access.ts'
import type { Entitlement } from '../server/gate.ts'
import type { Meter } from '../server/metering/meter.ts'
import { type L402Options, type L402Route, type RouteGate, routeGates } from '../server/route-gates.ts'
import { addressOf, answerStatus, isFault, metadataLines } from './lib/grpc-answer.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'

/** What each method costs, by its path, e.g. `/weather.Weather/Forecast`. One that is not there is UNIMPLEMENTED. */
export type GrpcMethods = Readonly<Record<string, Omit<L402Route, 'name'>>>

type CallStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

const UNIMPLEMENTED: CallStatus = { code: 12, details: 'no price stands for this method' }
const accesses = new WeakMap<Metadata, L402Access>()

/** Who has paid for a call, for its handler; `null` on a free method. */
export function accessOf({ metadata }: { readonly metadata: Metadata }): L402Access | null {
  return accesses.get(metadata) ?? null
}

/**
 * Makes what makes the interceptor of a server. A call is charged once, however many messages it has.
 *
 * @example
 * ```ts
 * import { Server } from '@grpc/grpc-js'
 * import { l402 } from '@turnpike/l402/grpc'
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
 * const server = new Server({
 *   interceptors: [toll({ '/weather.Weather/Forecast': { price: '10 sat', grants: { calls: 50 } } })],
 * })
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function l402(options: L402Options): (methods: GrpcMethods) => ServerInterceptor {
  const gateOf = routeGates(options)
  return (methods) => {
    const gates = new Map<string, RouteGate>()
    for (const [path, offer] of Object.entries(methods)) {
      const gate = gateOf({ ...offer, name: path })
      const { charge, pricer } = gate.terms
      if (charge !== undefined && charge.byHandler !== true)
        throw new RangeError(`invalid charge of ${path}: expected byHandler, since messages are not measured`)
      if (pricer?.readsBody === true)
        throw new RangeError(`invalid price of ${path}: expected one that does not depend on the message`)
      gates.set(path, gate)
    }
    return ({ path }, call) => intercept(call, path, gates.get(path))
  }
}

function intercept(
  call: ServerInterceptingCallInterface,
  path: string,
  gate: RouteGate | undefined,
): ServerInterceptingCall {
  let held: { readonly entitlement: Entitlement; readonly meter: Meter | null } | undefined
  let cancelled = false

  /** The first of its calls decides. */
  function settle(failed: boolean, complete: boolean): Promise<void> {
    if (held === undefined) return Promise.resolve()
    const { entitlement, meter } = held
    if (failed) return entitlement.release()
    return entitlement.commit(meter === null ? {} : { costMsat: meter.end(complete) })
  }

  async function admit(metadata: Metadata): Promise<CallStatus | null> {
    if (gate === undefined) return UNIMPLEMENTED
    const secure = call.getAuthContext().transportSecurityType === 'ssl'
    const entry = await gate.enter({
      method: 'POST',
      target: path,
      headers: metadataLines(metadata),
      clientAddress: addressOf(call.getPeer()),
      base: `${secure ? 'https' : 'http'}://${call.getHost()}`,
      body: {
        priced: (query) => Promise.resolve({ query, bodyBytes: null }),
        digest: () => Promise.resolve(null),
      },
    })
    if (entry.outcome === 'answer') return answerStatus(entry.answer)
    const { entitlement } = entry
    if (entitlement === null) return null
    try {
      if (!cancelled) await entitlement.serve()
    } catch (error) {
      void entitlement.release()
      if (!isL402Error(error, 'store_unavailable')) throw error
      return answerStatus(entry.unavailable())
    }
    const { access, meter } = createAccess(entitlement, gate.terms, 'POST')
    held = { entitlement, meter }
    accesses.set(metadata, access)
    // Nothing has been done for a client that has left by now.
    if (cancelled) void settle(true, false)
    return null
  }

  return new ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMetadata(metadata, proceed) {
          admit(metadata).then(
            (refusal) => (refusal === null ? proceed(metadata) : call.sendStatus(refusal)),
            () => call.sendStatus({ code: 13, details: 'the paywall failed' }),
          )
        },
        onCancel() {
          cancelled = true
          void settle(false, false)
        },
      })
    },
    sendStatus(status, next) {
      const metadata = status.metadata ?? new Metadata()
      const lines = isFault(status.code ?? 2) ? [] : (held?.entitlement.answerHeaders ?? [])
      for (let i = 0; i < lines.length; i += 2) metadata.set(lines[i] as string, lines[i + 1] as string)
      void settle(isFault(status.code ?? 2), true).then(() => next({ ...status, metadata }))
    },
  })
}
