/** One call of a gRPC client, over as many attempts as buying it takes. */

import type { InterceptingCall, Metadata, MethodDefinition, StatusObject } from '@grpc/grpc-js'
import { notReplayable, type WrappedRequest } from './attempts.ts'
import { newOutbox } from './grpc-outbox.ts'
import { credentialMetadata, type KeptMessages, PAYMENT_REQUIRED, rpcAnswer } from './rpc.ts'

/** How a call ends for its caller. */
export type CallEnd = StatusObject

export type Open = Pick<
  InterceptingCall,
  | 'cancelWithStatus'
  | 'getPeer'
  | 'start'
  | 'sendMessageWithContext'
  | 'sendMessage'
  | 'startRead'
  | 'halfClose'
  | 'getAuthContext'
>
type Listener = NonNullable<Parameters<Open['start']>[1]>
type Event = (listener: Listener) => void

interface Plan {
  readonly open: () => Open
  readonly requestStream: MethodDefinition<unknown, unknown>['requestStream']
  readonly deadline: Date | number | undefined
  readonly kept: KeptMessages
  readonly fetch: (request: WrappedRequest) => Promise<Response>
  readonly url: URL
  readonly endOf: (error: unknown) => CallEnd
}

interface Attempted {
  readonly answer: Response
  /** From now on the caller gets what has come and what comes. */
  handOn(): void
}

const CANCELLED = 1
const DEADLINE_EXCEEDED = 4

/** Makes the call. Nothing is sent before it is started; a request of one message not before that is complete. */
export function grpcCall(plan: Plan): Open {
  const { requestStream, deadline, endOf } = plan
  const abort = new AbortController()
  const attempts = new Map<Response, Attempted>()
  // What a single message becomes is known before it is sent.
  const outbox = newOutbox(requestStream ? plan.kept : { mostBuffered: Number.POSITIVE_INFINITY, holdMs: 0 })
  let reads = 0
  let current: Open | undefined
  let chosen = false
  let started: { readonly metadata: Metadata; readonly listener: Listener } | undefined
  let cancelled: { readonly code: number; readonly details: string } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function buy(): void {
    if (!started) return
    const { metadata, listener } = started
    const headers = ownHeaders(metadata)
    const request: WrappedRequest = {
      url: plan.url,
      method: 'POST',
      headers,
      body: null,
      replayable: outbox.replayable,
      signal: abort.signal,
      attempt: async (sent) => {
        const made = await attempt(metadata, credentialMetadata(sent, headers))
        attempts.set(made.answer, made)
        return made.answer
      },
    }
    plan
      .fetch(request)
      .then(
        (answer) => attempts.get(answer)?.handOn(),
        (error: unknown) =>
          listener.onReceiveStatus?.(cancelled ? { ...endOf(error), ...cancelled } : endOf(error)),
      )
      .finally(() => clearTimeout(timer))
  }

  /** Sends once; resolves at the first message or the end. */
  function attempt(metadata: Metadata, added: readonly (readonly [string, string])[]): Promise<Attempted> {
    return new Promise((resolve, reject) => {
      if (!outbox.replayable()) return reject(notReplayable())
      const call = plan.open()
      const own = metadata.clone()
      for (const [name, value] of added) own.set(name, value)
      let receiver: Listener | undefined
      let waiting: Event[] = []
      let over = false
      let stop: (() => void) | undefined
      const tell = (event: Event): void => {
        if (receiver) event(receiver)
        else waiting.push(event)
      }
      const answered = (answer: Response): void => {
        const handOn = (): void => {
          chosen = true
          outbox.release()
          receiver = started?.listener
          const before = waiting
          waiting = []
          if (receiver) for (const event of before) event(receiver)
          // One was read to see whether it is served.
          for (let i = 1; i < reads; i++) call.startRead()
        }
        resolve({ answer, handOn })
      }
      call.start(own, {
        onReceiveMetadata(received) {
          tell((listener) => listener.onReceiveMetadata?.(received))
          // What asks for money has nothing before its end.
          outbox.goOn()
        },
        onReceiveMessage(message: unknown) {
          tell((listener) => listener.onReceiveMessage?.(message))
          if (message !== null) answered(rpcAnswer(0, null))
        },
        onReceiveStatus(status) {
          tell((listener) => listener.onReceiveStatus?.(status))
          over = true
          stop?.()
          answered(rpcAnswer(status.code, challengesOf(status)))
        },
      })
      current = call
      if (!over) stop = outbox.sendTo(call)
      call.startRead()
    })
  }

  function cancel(code: number, details: string): void {
    cancelled ??= { code, details }
    abort.abort(new Error(details))
    current?.cancelWithStatus(code, details)
  }

  return {
    start(metadata, listener = {}) {
      started = { metadata, listener: listener as Listener }
      const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : Number(deadline) - Date.now()
      // Beyond that a timer would fire at once.
      if (leftMs < 2 ** 31) timer = setTimeout(() => cancel(DEADLINE_EXCEEDED, 'Deadline exceeded'), leftMs)
      if (requestStream) buy()
    },
    sendMessageWithContext: ({ callback, flags }, message) =>
      outbox.add({ message, flags, taken: (error) => callback?.(error) }),
    sendMessage: (message) => outbox.add({ message, flags: undefined, taken: () => {} }),
    halfClose() {
      outbox.end()
      if (!requestStream) buy()
    },
    startRead() {
      reads++
      if (chosen && reads > 1) current?.startRead()
    },
    cancelWithStatus: (code, details) => cancel(code ?? CANCELLED, details),
    getPeer: () => current?.getPeer() ?? plan.url.host,
    getAuthContext: () => current?.getAuthContext() ?? null,
  }
}

/** What the user sends that has to do with credentials. */
function ownHeaders(metadata: Metadata): Headers {
  const headers = new Headers()
  for (const name of ['authorization', 'macaroon'])
    for (const value of metadata.get(name)) headers.append(name, String(value))
  return headers
}

/** protocol §1: a call that asks for money. */
function challengesOf({ code, details, metadata }: StatusObject): readonly string[] | null {
  const lines = metadata.get('www-authenticate').map(String)
  return code === 13 && details === PAYMENT_REQUIRED && lines.length > 0 ? lines : null
}
