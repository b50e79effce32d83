/** The buyer as an interceptor of Connect clients, whatever protocol their transport speaks. */

import { Code, ConnectError, type Interceptor } from '@connectrpc/connect'
import { attemptBuyer, notReplayable, type WrappedRequest } from './lib/attempts.ts'
import { replayedMessages, withFirst } from './lib/messages.ts'
import {
  credentialMetadata,
  keptMessages,
  PAYMENT_REQUIRED,
  type RpcOptions,
  rpcAnswer,
  rpcCodeOf,
} from './lib/rpc.ts'

export type { RpcOptions } from './lib/rpc.ts'

type Next = Parameters<Interceptor>[0]
type Asked = Parameters<Next>[0]
type Answered = Awaited<ReturnType<Next>>

/**
 * Makes an interceptor for any Connect transport (Connect, gRPC, gRPC-Web), which pays for L402 within the purse's
 * budget. A call is bought as a whole; the messages of a streaming request go out at once and again after paying. The
 * answer of a stream is handed on at its first message. Where nothing is bought the call ends with a `ConnectError`
 * whose cause is the `L402Error`: FailedPrecondition (refused), Aborted (the payment failed), Unavailable (wallet or
 * purse) or Unknown.
 *
 * @example
 * ```ts
 * import { createConnectTransport } from '@connectrpc/connect-node'
 * import { payingInterceptor } from '@turnpike/l402/client/connect'
 *
 * const transport = createConnectTransport({
 *   baseUrl: 'https://api.example.com',
 *   httpVersion: '2',
 *   interceptors: [payingInterceptor({ wallet, purse })],
 * })
 * ```
 *
 * @throws RangeError at set-up, for options out of range.
 */
export function payingInterceptor(options: RpcOptions): Interceptor {
  const kept = keptMessages(options)
  const fetch = attemptBuyer(options)
  return (next) => async (asked) => {
    const ends = new Map<Response, { readonly answer: Answered } | { readonly error: unknown }>()
    const messages = asked.stream ? replayedMessages(asked.message, kept) : null
    const own = new Headers(asked.header)
    const attempt = async (sent: Headers): Promise<Response> => {
      if (messages?.replayable() === false) throw notReplayable()
      const header = new Headers(asked.header)
      for (const [name, value] of credentialMetadata(sent, own)) header.set(name, value)
      const again =
        asked.stream && messages ? { ...asked, header, message: messages.again() } : { ...asked, header }
      try {
        const answer = await begun(await next(again as Asked))
        const served = rpcAnswer(0, null)
        ends.set(served, { answer })
        return served
      } catch (error) {
        messages?.stop()
        const { code } = ConnectError.from(error)
        const refused = rpcAnswer(code, challengesOf(error))
        ends.set(refused, { error })
        return refused
      }
    }
    const request: WrappedRequest = {
      url: new URL(asked.url),
      method: asked.requestMethod,
      headers: own,
      body: null,
      replayable: () => messages?.replayable() ?? true,
      signal: asked.signal,
      attempt,
    }
    let end: ReturnType<typeof ends.get>
    try {
      end = ends.get(await fetch(request).catch(asConnectError(asked.signal)))
    } finally {
      if (end && 'answer' in end) messages?.release()
      else messages?.close()
    }
    if (!end) throw new ConnectError('the call was never sent', Code.Internal)
    if ('error' in end) throw end.error
    return end.answer
  }
}

/** An answer whose first message is there: a refusal may come in its place. */
async function begun(answer: Answered): Promise<Answered> {
  return answer.stream ? ({ ...answer, message: await withFirst(answer.message) } as Answered) : answer
}

function asConnectError(signal: AbortSignal): (error: unknown) => never {
  return (error) => {
    if (signal.aborted || !(error instanceof Error)) throw error
    throw new ConnectError(error.message, rpcCodeOf(error) as Code, undefined, undefined, error)
  }
}

/** protocol §1: a refusal that asks for money; over Connect's own protocol it is HTTP's 402. */
function challengesOf(error: unknown): readonly string[] | null {
  const { rawMessage, metadata } = ConnectError.from(error)
  const line = metadata.get('www-authenticate')
  return line !== null && (rawMessage === PAYMENT_REQUIRED || rawMessage === 'HTTP 402') ? [line] : null
}
