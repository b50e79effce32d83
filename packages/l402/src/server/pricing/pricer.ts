/**
 * Pricers: what a request costs where no fixed price says so. The price comes from the server's own data and from the request
 * itself, never from what a client echoes (protocol §5 rule 7). A pricer that is down, late or talks nonsense is a 503, never
 * free.
 */

import type { HeaderLines } from '../../core/header-lines.ts'
import type { Metered } from './metered.ts'

/** What a pricer is told of a request. */
export interface PriceRequest {
  readonly service: string
  /** The route's name: what the operator wrote as its match. */
  readonly route: string
  /** GET for HEAD, which costs what GET does (rule S8). */
  readonly method: string
  /** The normalised path: the one that was matched and that goes upstream. */
  readonly path: string
  /** With its `?`; empty without one. */
  readonly query: string
  /** Name, value, …; without credentials of any kind, cookies and proofs. */
  readonly headers: HeaderLines
  /** Length of the body; `null` where the request does not say, 0 where there is none. */
  readonly bodyBytes: number | null
  /** The body's first 64 KiB, where {@link Pricer.readsBody} asks for it. */
  readonly body?: Uint8Array
  readonly clientAddress: string
}

/** Most bytes of a body that a pricer is shown. */
export const PRICED_BODY_BYTES = 65_536

/** Why there is no price. */
export type PriceFailure =
  /** Not reached, or it failed. */
  | 'down'
  /** No answer within its time. */
  | 'late'
  /** An answer that is no price: negative, nothing, not a number, too large to be one. */
  | 'invalid'
  /** The rate it needs is too old. */
  | 'stale'
  /** Below what can be received. */
  | 'too_low'
  /** Above the most that the route may cost, or that can be received. */
  | 'too_high'
  /** Too many questions are waiting for it. */
  | 'busy'
  /** The request lacks what its price depends on, or says it twice: the client's fault, 400. */
  | 'unpriceable'

/** A pricer's answer. */
export type Quote =
  | { readonly state: 'priced'; readonly amountMsat: bigint }
  | { readonly state: 'free' }
  | NoPrice

/** `detail`: one sentence. The client sees it with `unpriceable` only; never a secret, never a header value. */
export interface NoPrice {
  readonly state: 'failed'
  readonly why: PriceFailure
  readonly detail: string
}

/**
 * What a credential that was bought at a price opens, so that what was bought cheap opens nothing dear:
 *
 * - `route`: the whole route; for prices that do not depend on the request, such as those in fiat money.
 * - `price`: those requests of the route that cost no more at the time of their use. Asked again with every paid request, so
 *   `price` has to answer synchronously.
 * - `request`: those requests of the route whose {@link Pricer.scope} is the same. The pricer is not asked again.
 */
export type PriceBinding = 'route' | 'price' | 'request'

/** Says what requests cost. */
export interface Pricer {
  /** For metrics: `fiat`, `hook`, `grpc`, `expr`, or a word of your own. */
  readonly kind: string
  /** What the operator wrote; for tables. No secret. */
  readonly text: string
  readonly binds: PriceBinding
  /** Whether it is to be shown the beginning of the body. */
  readonly readsBody: boolean
  /** How long it may take; 0 for one that answers synchronously. */
  readonly timeoutMs: number
  /** Above this there is no price; `undefined`: 21 million bitcoin. */
  readonly mostMsat?: bigint | undefined
  /** What the price depends on, as text; with `binds: 'request'` only. */
  scope?(request: PriceRequest): string
  /** The price of one purchase: of all the grants of the route. May throw; that is `down`. */
  price(request: PriceRequest, signal: AbortSignal): Quote | Promise<Quote>
  /** A price server that keeps the balances, and is asked about every paid request. */
  readonly metered?: Metered
}

/** Told about every question to a pricer; for metrics and logs. */
export interface PricedEvent {
  readonly service: string
  readonly route: string
  readonly kind: string
  readonly outcome: 'priced' | 'free' | PriceFailure
  readonly durationMs: number
  /** One sentence, where there is no price. */
  readonly detail?: string
}

/** A {@link Quote} that says why there is no price. */
export function noPrice(why: PriceFailure, detail: string): NoPrice {
  return { state: 'failed', why, detail }
}

/** The usual {@link Pricer.scope}: method, path, query, body, and the header lines of these lower-case names. */
export function requestScope(request: PriceRequest, headerNames: readonly string[] = []): string {
  const { method, path, query, headers, bodyBytes, body } = request
  const lines: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    if (headerNames.includes(name)) lines.push(name, headers[i + 1] as string)
  }
  return JSON.stringify([method, path, query, lines, bodyBytes, body === undefined ? '' : byteText(body)])
}

function byteText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
