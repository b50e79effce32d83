/** The buyer over anything that sends a request: each attempt is the caller's, policy and purse are the buyer's. */

import { buyer } from '../../client/buyer.ts'
import { responseOf } from '../../client/paying-fetch.ts'
import type { BuyerOptions, FetchOutcome, PreparedRequest } from '../../client/types.ts'
import { L402Error } from '../../core/errors.ts'

/** What a wrapper is given: all of a buyer's options but the sending, which is the wrapper's. */
export type WrapperOptions = Omit<BuyerOptions, 'fetch' | 'bufferStreams' | 'maxRedirects' | 'payOtherHosts'>

/** Sends the request once with these headers. Its answer stands for what came back; its body is not read. */
type Attempt = (headers: Headers) => Promise<Response>

/** A request as the gate sees it. */
export interface WrappedRequest {
  readonly url: URL
  readonly method: string
  /** Without a credential of the purse's; an `authorization` of the user's own among them (rule C6). */
  readonly headers: Headers
  /** For the body's digest on the books; `null` where it has none or is no bytes. */
  readonly body: Uint8Array<ArrayBuffer> | null
  /** Asked again before paying: what is streamed may have become too much to be sent again. */
  readonly replayable: () => boolean
  readonly signal: AbortSignal
  readonly attempt: Attempt
  /** Is given the outcome of the answer that stands; whoever takes it says how the body ended (`delivered`). */
  readonly onOutcome?: (outcome: FetchOutcome) => void
}

/** Makes the buyer. It resolves to the answer of the attempt that stands, and throws what `payingFetch` does. */
export function attemptBuyer(options: WrapperOptions): (request: WrappedRequest) => Promise<Response> {
  const { fetch } = buyer({
    ...options,
    fetch: (_, init) =>
      (init as unknown as Pick<WrappedRequest, 'attempt'>).attempt(new Headers(init?.headers)),
  })
  return async ({ url, method, headers, body, replayable, signal, attempt, onOutcome }) => {
    const spoilt = new AbortController()
    async function guarded(sent: Headers): Promise<Response> {
      const answer = await attempt(sent)
      // Whatever the gate was told before: nothing is paid for what cannot be sent again (rule C6).
      if (answer.status === 402 && !replayable()) spoilt.abort(notReplayable())
      return answer
    }
    const request: PreparedRequest = {
      url,
      method,
      headers,
      body,
      get replayable() {
        return replayable()
      },
      // Redirects are the business of whoever sends.
      redirect: 'manual',
      signal: AbortSignal.any([signal, spoilt.signal]),
      init: { attempt: guarded } as RequestInit,
      bodyElsewhere: onOutcome !== undefined,
    }
    signal.throwIfAborted()
    const outcome = await fetch(request)
    if (outcome.kind !== 'served') signal.throwIfAborted()
    onOutcome?.(outcome)
    return responseOf(outcome)
  }
}

/** The fault of sending again what is no longer there. */
export function notReplayable(): L402Error {
  return new L402Error('not_replayable', 'more was sent than is kept, so the request cannot be sent again')
}

/** The headers that an attempt has beyond those of the request: the credential, and what belongs to it. */
export function addedHeaders(sent: Headers, own: Headers): readonly (readonly [string, string])[] {
  return [...sent].filter(([name, value]) => own.get(name) !== value)
}
