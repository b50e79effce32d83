/** The paywall for servers of `@grpc/grpc-js`. */

import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import type { L402Access } from '../server/access.ts'
import type { L402Options } from '../server/route-gates.ts'
import { addressOf, answerStatus, metadataLines } from './lib/grpc-answer.ts'
import { CALL_BODY, type CallEnd, type HeldCall, holdCall, isFault } from './lib/rpc-call.ts'
import { type RpcGate, type RpcMethods, rpcGates } from './lib/rpc-gates.ts'

export type { L402Access } from '../server/access.ts'
export type { L402Options, L402Route } from '../server/route-gates.ts'
export type { RpcMethod } from './lib/rpc-gates.ts'

/** What each method costs, by its path, e.g. `/weather.Weather/Forecast`. One that is not there is UNIMPLEMENTED. */
export type GrpcMethods = RpcMethods

type CallStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

const UNIMPLEMENTED: CallStatus = { code: 12, details: 'no price stands for this method' }
const accesses = new WeakMap<Metadata, L402Access>()

/** Who has paid for a call, for its handler; `null` on a free method. */
export function accessOf({ metadata }: { readonly metadata: Metadata }): L402Access | null {
  return accesses.get(metadata) ?? null
}

/**
 * Makes what makes the interceptor of a server. A call is charged once, however many messages it
 * has, unless its method says a price `perMessage`.
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
  const gatesOf = rpcGates(options)
  return (methods) => {
    const gates = gatesOf(methods)
    return ({ path, requestStream, responseStream }, call) =>
      intercept(call, { path, gate: gates.get(path), counts: requestStream && !responseStream })
  }
}

interface Called {
  readonly path: string
  readonly gate: RpcGate | undefined
  /** Whether the messages that count are those of the request. */
  readonly counts: boolean
}

function intercept(
  call: ServerInterceptingCallInterface,
  { path, gate, counts }: Called,
): ServerInterceptingCall {
  let held: HeldCall | null = null
  let cancelled = false

  async function admit(metadata: Metadata): Promise<CallStatus | null> {
    if (gate === undefined) return UNIMPLEMENTED
    const secure = call.getAuthContext().transportSecurityType === 'ssl'
    const entry = await gate.route.enter({
      method: 'POST',
      target: path,
      headers: metadataLines(metadata),
      clientAddress: addressOf(call.getPeer()),
      base: `${secure ? 'https' : 'http'}://${call.getHost()}`,
      body: CALL_BODY,
    })
    if (entry.outcome === 'answer') return answerStatus(entry.answer)
    const got = await holdCall(gate, entry, 'POST')
    if (got === null) return null
    if ('status' in got) return answerStatus(got)
    held = got
    accesses.set(metadata, got.access)
    // Nothing has been done for a client that has left by now.
    if (cancelled) void got.settle('failed')
    return null
  }

  /** A message that counts goes on once it is paid for, or ends the call. */
  function count(proceed: () => void): void {
    if (held?.perMessage !== true) proceed()
    else
      held.message().then(
        (end) => (end === null ? proceed() : finish(end)),
        () => finish({ code: 13, message: 'the paywall failed' }),
      )
  }

  function finish({ code, message }: CallEnd): void {
    call.sendStatus({ code, details: message })
  }

  return new ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMetadata(metadata, proceed) {
          admit(metadata).then(
            (refusal) => (refusal === null ? proceed(metadata) : call.sendStatus(refusal)),
            () => finish({ code: 13, message: 'the paywall failed' }),
          )
        },
        onReceiveMessage: (message, proceed) => (counts ? count(() => proceed(message)) : proceed(message)),
        onCancel() {
          cancelled = true
          void held?.settle('left')
        },
      })
    },
    sendMessage(message, next) {
      const send = (): void => {
        held?.begin()
        next(message)
      }
      if (counts) send()
      else count(send)
    },
    sendStatus(status, next) {
      const failed = isFault(status.code ?? 2)
      const metadata = status.metadata ?? new Metadata()
      const lines = failed ? [] : (held?.answerHeaders ?? [])
      for (let i = 0; i < lines.length; i += 2) metadata.set(lines[i] as string, lines[i + 1] as string)
      const done = held?.settle(failed ? 'failed' : 'whole') ?? Promise.resolve()
      void done.then(() => next({ ...status, metadata }))
    },
  })
}
