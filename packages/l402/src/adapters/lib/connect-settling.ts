/** What becomes of a paid call: told by the interceptor that sees its handler. */

import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextKey,
  createContextKey,
  type Interceptor,
} from '@connectrpc/connect'
import { type HeldCall, isFault } from './rpc-call.ts'

/** A call that has passed the gate. */
export interface GatedCall {
  /** `null` on a free method. */
  readonly held: HeldCall | null
  /** Whether its handler was asked. */
  taken: boolean
}

/** Where a call's interceptors and its handler find it. */
export const CALL: ContextKey<GatedCall | undefined> = createContextKey<GatedCall | undefined>(undefined)

/** Settles a call by what its handler comes to. */
export const settling: Interceptor = (next) => async (req) => {
  const call = req.contextValues.get(CALL)
  if (call === undefined) throw new ConnectError('no price stands for this method', Code.Unimplemented)
  const { held } = call
  if (held === null) return next(req)
  call.taken = true
  const count = async (): Promise<void> => {
    const end = await held.message()
    if (end !== null) throw new ConnectError(end.message, end.code)
  }
  const { methodKind } = req.method
  const ofRequest = held.perMessage && methodKind === 'client_streaming'
  const asked = req.stream && ofRequest ? { ...req, message: through(req.message, count) } : req
  try {
    const answer = await next(asked)
    const ofAnswer = held.perMessage && !ofRequest
    if (!answer.stream) {
      if (ofAnswer) await count()
      await held.settle('whole')
    }
    const { answerHeaders: lines } = held
    for (let i = 0; i < lines.length; i += 2) answer.header.set(lines[i] as string, lines[i + 1] as string)
    if (!answer.stream) return answer
    const messages = through(answer.message, ofAnswer ? count : undefined)
    return { ...answer, message: settledAfter(messages, { held, signal: req.signal }) }
  } catch (error) {
    await held.settle(endingOf(error, req.signal))
    throw error
  }
}

async function* through<T>(messages: AsyncIterable<T>, before?: () => Promise<void>): AsyncGenerator<T> {
  for await (const message of messages) {
    await before?.()
    yield message
  }
}

async function* settledAfter<T>(
  messages: AsyncIterable<T>,
  { held, signal }: { readonly held: HeldCall; readonly signal: AbortSignal },
): AsyncGenerator<T> {
  try {
    for await (const message of messages) {
      held.begin()
      yield message
    }
    await held.settle('whole')
  } catch (error) {
    await held.settle(endingOf(error, signal))
    throw error
  } finally {
    void held.settle('left')
  }
}

function endingOf(error: unknown, { aborted, reason }: AbortSignal): 'failed' | 'whole' | 'left' {
  // Only clients set deadlines: one who says when to stop has had the work done until then.
  if (aborted && reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) return 'left'
  return !(error instanceof ConnectError) || isFault(error.code) ? 'failed' : 'whole'
}

/** The router, whose services may bring interceptors of their own in place of the server's. */
export function guarded(router: ConnectRouter): ConnectRouter {
  const own: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, withSettling(options))
      return own
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, withSettling(options))
      return own
    },
  }
  return own
}

function withSettling<T extends { interceptors?: Interceptor[] }>(options: T | undefined): T | undefined {
  return options?.interceptors === undefined
    ? options
    : { ...options, interceptors: [settling, ...options.interceptors] }
}
