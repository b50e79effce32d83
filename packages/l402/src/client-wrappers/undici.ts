/** The buyer as an interceptor of undici's dispatchers. */

import type { Dispatcher } from 'undici'
import { delivered, isAwaited, isGivenUp } from '../client/delivery.ts'
import type { FetchOutcome } from '../client/types.ts'
import { addedHeaders, attemptBuyer, type WrappedRequest, type WrapperOptions } from './lib/attempts.ts'
import { type DispatchedAnswer, dispatchOnce, relayController } from './lib/undici-attempt.ts'

/** Options of {@link payingInterceptor}. */
export interface UndiciBuyerOptions extends WrapperOptions {
  /** Where a `Client` or `Pool` leads, e.g. `https://api.example.com`: only an `Agent` is told it by each request. */
  readonly origin?: string
}

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler

/**
 * Makes an interceptor for `dispatcher.compose`, which pays for L402 within the purse's budget. Text, bytes and forms
 * are sent again as they are; a stream is refused before paying. Errors of `payingFetch` come out of the request.
 * With `interceptors.redirect()` composed after it, each hop is decided anew.
 *
 * @example
 * ```ts
 * import { Agent } from 'undici'
 * import { payingInterceptor } from '@turnpike/l402/client/undici'
 *
 * const dispatcher = new Agent().compose(payingInterceptor({ wallet, purse }))
 * const { body } = await dispatcher.request({ origin: 'https://api.example.com', path: '/forecast', method: 'GET' })
 * console.log(await body.text())
 * ```
 *
 * @throws RangeError or TypeError at set-up, for options out of range; TypeError at a request whose origin nobody told.
 */
export function payingInterceptor(options: UndiciBuyerOptions): Dispatcher.DispatcherComposeInterceptor {
  const fetch = attemptBuyer(options)
  const own = options.origin === undefined ? undefined : new URL(options.origin)
  return (dispatch) => (given, handler) => {
    if (given.upgrade || (given.method as string) === 'CONNECT') return dispatch(given, handler)
    // Nothing is decided about a host that is not known.
    const origin = given.origin ?? own
    if (origin === undefined)
      throw new TypeError(
        'payingInterceptor: expected the option origin, since this dispatcher does not tell it',
      )
    const abort = new AbortController()
    const relay = relayController((reason) => abort.abort(reason))
    const answers = new Map<Response, DispatchedAnswer>()
    let reader = handler
    const lines = headerLines(given.headers)
    const headers = new Headers(pairsOf(lines))
    const request: WrappedRequest = {
      url: urlOf(given, origin),
      method: given.method,
      headers,
      body: bytesOf(given.body),
      replayable: () => isReplayable(given.body),
      signal: abort.signal,
      async attempt(sent) {
        const added = addedHeaders(sent, headers).flat()
        const answer = await dispatchOnce(dispatch, { ...given, headers: [...lines, ...added] }, relay)
        answers.set(answer.response, answer)
        return answer.response
      },
      onOutcome(outcome) {
        reader = toldReader(handler, outcome, {
          own: (given as { signal?: AbortSignal }).signal,
          relayed: abort.signal,
        })
      },
    }
    handler.onRequestStart?.(relay, undefined)
    fetch(request)
      .then(
        (response) => answers.get(response)?.handOn(reader),
        (error: Error) => handler.onResponseError?.(relay, error),
      )
      .finally(() => {
        for (const answer of answers.values()) answer.letGo()
      })
    return true
  }
}

/** A handler whose answer's end is told to the books; what its reader gave up says nothing of the server (rule C8). */
function toldReader(
  handler: Handler,
  outcome: FetchOutcome,
  { own, relayed }: { readonly own: AbortSignal | undefined; readonly relayed: AbortSignal },
): Handler {
  if (!isAwaited(outcome)) return handler
  const tell = (how: 'whole' | 'cut'): void => void delivered(outcome, how).catch(() => {})
  return {
    onResponseStart: (...start) => handler.onResponseStart?.(...start),
    onResponseData: (...data) => handler.onResponseData?.(...data),
    onResponseEnd(...end) {
      tell('whole')
      handler.onResponseEnd?.(...end)
    },
    onResponseError(...fault) {
      // A reader that has enough aborts, and its caller's signal does not.
      if (relayed.aborted && !own?.aborted) tell('whole')
      else if (!isGivenUp(own ?? null)) tell('cut')
      handler.onResponseError?.(...fault)
    },
  }
}

function urlOf({ path, query }: Options, origin: string | URL): URL {
  const url = new URL(path, String(origin))
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value))
  return url
}

function isReplayable(body: Options['body']): boolean {
  return body === null || body === undefined || bytesOf(body) !== null || isForm(body)
}

/** Of the platform or of undici: each has a class of its own. */
function isForm(body: unknown): boolean {
  return Object.prototype.toString.call(body) === '[object FormData]'
}

function bytesOf(body: Options['body']): Uint8Array<ArrayBuffer> | null {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  return body instanceof Uint8Array ? new Uint8Array(body) : null
}

/** Names and values one after the other, in the order and case they were given. */
function headerLines(headers: Options['headers']): string[] {
  if (!headers) return []
  if (Array.isArray(headers) && headers.every((one) => typeof one === 'string')) return [...headers]
  const pairs =
    Symbol.iterator in headers ? [...(headers as Iterable<[string, unknown]>)] : Object.entries(headers)
  return pairs.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).flatMap((one) => [name, String(one)]),
  )
}

function pairsOf(lines: readonly string[]): [string, string][] {
  return Array.from({ length: lines.length / 2 }, (_, i) => [lines[2 * i] ?? '', lines[2 * i + 1] ?? ''])
}
