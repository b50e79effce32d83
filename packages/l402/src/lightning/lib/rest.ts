/** Calls to a node's or a service's HTTP API that tell apart what matters: was anything sent, did an answer come. */

import { L402Error } from '../../core/errors.ts'
import type { PaymentOutcome } from '../backend.ts'
import { wasRefused } from './json-call.ts'
import { textOf } from './values.ts'

/** One answer. `body` is what the JSON said, `undefined` where it was none. */
export interface RestAnswer {
  readonly kind: 'answered'
  readonly status: number
  readonly body: unknown
}

/** What a call came to. */
export type RestOutcome =
  | RestAnswer
  /** Nothing was sent: no connection, or another certificate than expected. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Something may have been sent, and no answer came. */
  | { readonly kind: 'lost'; readonly detail: string }

/** One call. */
interface RestCall {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly json?: unknown
  /** Sent as `application/x-www-form-urlencoded`. */
  readonly form?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

/** A client of one API. */
export interface Rest {
  /** For messages: what it is and where, never with a secret. */
  readonly who: string
  /** Never throws. */
  call(path: string, call?: RestCall): Promise<RestOutcome>
  /** Lines of JSON as they come. Throws `lightning_unavailable`; ends when the signal does. */
  lines(path: string, options: Omit<RestCall, 'timeoutMs'>): AsyncGenerator<unknown>
}

/** What a {@link Rest} is made of. */
export interface RestOptions {
  /** `lnd`, `phoenixd`, … */
  readonly name: string
  /** Base of all paths. */
  readonly url: string
  /** Secrets go here and nowhere else. */
  readonly headers: Readonly<Record<string, string>>
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** How long a look-up, an invoice or any other small thing may take. */
const CALL_MS = 15_000
const LONGEST_TIMER = 2 ** 31 - 1
const MOST_BYTES = 4 * 1024 * 1024

/** @throws TypeError for a URL that is none. */
export function restClient(options: RestOptions): Rest {
  const base = baseUrl(options.url)
  const fetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const who = `${options.name} at ${new URL(base).host}`

  const request = (path: string, call: RestCall, signal: AbortSignal): Promise<Response> => {
    const headers: Record<string, string> = { accept: 'application/json', ...options.headers }
    const init: RequestInit = { method: call.method ?? 'GET', redirect: 'error', signal, headers }
    if (call.json !== undefined) {
      headers['content-type'] = 'application/json'
      init.body = JSON.stringify(call.json)
    } else if (call.form !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded'
      init.body = new URLSearchParams(call.form).toString()
    }
    return fetch(`${base}/${path}`, init)
  }

  return {
    who,
    async call(path, call = {}) {
      const { timeoutMs = CALL_MS } = call
      const late = AbortSignal.timeout(Math.max(1, Math.min(timeoutMs, LONGEST_TIMER)))
      const signal = call.signal === undefined ? late : AbortSignal.any([late, call.signal])
      if (signal.aborted) return { kind: 'refused', detail: 'the call was aborted' }
      try {
        const response = await request(path, call, signal)
        return { kind: 'answered', status: response.status, body: await jsonOf(response) }
      } catch (error) {
        const certificate = certificateFault(error)
        if (certificate !== undefined) return { kind: 'refused', detail: certificate }
        if (wasRefused(error)) return { kind: 'refused', detail: whyRefused(error) }
        if (late.aborted) return { kind: 'lost', detail: `no answer within ${timeoutMs} ms` }
        if (call.signal?.aborted) return { kind: 'lost', detail: 'the call was aborted' }
        return { kind: 'lost', detail: 'the connection was lost' }
      }
    },
    async *lines(path, call) {
      const signal = call.signal ?? new AbortController().signal
      try {
        const response = await request(path, call, signal)
        if (response.status !== 200) {
          const why = errorText(await jsonOf(response))
          throw new L402Error('lightning_unavailable', `${who}: HTTP ${response.status} ${why}`)
        }
        yield* jsonLines(response.body)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof L402Error) throw error
        const why = certificateFault(error) ?? 'the connection was lost'
        throw new L402Error('lightning_unavailable', `${who}: ${why}`)
      }
      if (!signal.aborted) throw new L402Error('lightning_unavailable', `${who}: the stream ended`)
    },
  }
}

/** The answer, or a thrown `lightning_unavailable`: for everything but payments. */
export function answerOf(rest: Rest, outcome: RestOutcome): RestAnswer {
  if (outcome.kind === 'answered') return outcome
  throw new L402Error('lightning_unavailable', `${rest.who}: ${outcome.detail}`)
}

/** The answer of a payment, or what its lack means: certainly unsent throws, anything else is unknown (rule C3). */
export function paymentAnswer(
  rest: Rest,
  outcome: RestOutcome,
): RestAnswer | Extract<PaymentOutcome, { status: 'unknown' }> {
  if (outcome.kind === 'lost') return { status: 'unknown', detail: outcome.detail }
  return answerOf(rest, outcome)
}

/** The answer of a look-up; one that does not come is unknown. */
export function lookupAnswer(
  outcome: RestOutcome,
): RestAnswer | Extract<PaymentOutcome, { status: 'unknown' }> {
  return outcome.kind === 'answered' ? outcome : { status: 'unknown', detail: outcome.detail }
}

/** For an answer that is no use: `unknown`, as nothing is proven. */
export function notUnderstood({ status }: RestAnswer): Extract<PaymentOutcome, { status: 'unknown' }> {
  return { status: 'unknown', detail: `an answer that is not understood (HTTP ${status})` }
}

/** Throws `lightning_invalid` for an answer that breaks the contract, `lightning_unavailable` for a refusal. */
export function failCall(rest: Rest, answer: RestAnswer): never {
  const { status, body } = answer
  const why = errorText(body)
  if (status >= 200 && status < 300)
    throw new L402Error('lightning_invalid', `${rest.who}: an answer that is not understood (HTTP ${status})`)
  // A reverse proxy in between says its own faults in its own words.
  const elsewhere = body === undefined && status < 500 ? ' without JSON: expected the address of its API' : ''
  const words = why === '' ? elsewhere : ` ${why}`
  throw new L402Error('lightning_unavailable', `${rest.who}: HTTP ${status}${words}`)
}

/** What an error body says of itself. */
export function errorText(body: unknown): string {
  if (typeof body !== 'object' || body === null) return ''
  for (const key of ['message', 'detail', 'error', 'reason', 'title']) {
    const value = (body as Record<string, unknown>)[key]
    if (typeof value === 'string') return textOf(value)
    if (typeof value === 'object' && value !== null) return errorText(value)
  }
  return ''
}

/** The URL without a slash at its end. Throws `TypeError`; the message repeats no user info. */
function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new TypeError('url: expected an http or https URL, e.g. https://127.0.0.1:8080')
  if (url.username !== '' || url.password !== '')
    throw new TypeError('url: holds a user or a password; give these by a setting of their own')
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

async function jsonOf(response: Response): Promise<unknown> {
  let text = ''
  const decoder = new TextDecoder()
  let bytes = 0
  for await (const chunk of chunksOf(response.body)) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) throw new Error('an answer beyond all measure')
    text += decoder.decode(chunk, { stream: true })
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

async function* jsonLines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunksOf(body)) {
    rest += decoder.decode(chunk, { stream: true })
    if (rest.length > MOST_BYTES) throw new Error('a line beyond all measure')
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as unknown
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as unknown
}

// Not every platform's body is iterable yet.
async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Why no connection came about. */
function whyRefused(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (at.message.startsWith('SOCKS proxy: ')) return `its ${textOf(at.message)}`
    if ('code' in at && (at.code === 'ENOTFOUND' || at.code === 'EAI_AGAIN')) return 'there is no such host'
  }
  return 'nothing answers there'
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|ERR_TLS|ERR_SSL/
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/

/** What is wrong with the server's certificate; nothing is sent before it has been checked. */
function certificateFault(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (!('code' in at) || !CERTIFICATE.test(String(at.code))) continue
    if (NO_TLS.test(String(at.code))) return 'it speaks no TLS there, expected another port, or http://'
    if (at.code === 'CERT_HAS_EXPIRED') return 'its TLS certificate has expired'
    const expected = 'expected the one of tlsCertFile, or without that one that an authority has signed'
    return `its TLS certificate is not the expected one (${textOf(at.code)}), ${expected}`
  }
  return undefined
}
