/** Makes a request that can be sent again with the same bytes (rule C6). */

import type { PreparedRequest } from './types.ts'

/** What {@link prepareRequest} may be told. */
export interface PrepareOptions {
  /** Reads a stream into memory first; default false: it is sent once, and never paid for. */
  readonly bufferStreams?: boolean
}

/**
 * Reads what `fetch` would be given. Text, bytes, blobs, forms and the body of a `Request` become bytes, with the
 * content type (and a form's boundary) fixed once. Throws `TypeError` as `fetch` does, also for a URL that is not
 * http or https.
 */
export async function prepareRequest(
  input: string | URL | Request,
  init: RequestInit = {},
  options: PrepareOptions = {},
): Promise<PreparedRequest> {
  const { body: given, headers, method, redirect, signal, ...rest } = init
  const source = input instanceof Request ? input : undefined
  const url = new URL(source?.url ?? String(input), globalThis.location?.href)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new TypeError(`expected an http or https URL, got ${url.protocol}`)

  if (source === undefined && (given === undefined || given === null)) {
    const plain = plainMethod(method)
    if (plain !== undefined)
      return {
        url,
        method: plain,
        headers: new Headers(headers),
        body: null,
        replayable: true,
        redirect: redirect ?? 'follow',
        signal: signal ?? null,
        init: rest,
      }
  }
  const stream = isStream(given) ? given : undefined
  const whole = stream ? (options.bufferStreams ? await bytesOf(stream) : null) : (given ?? null)
  const fromSource = given === undefined || given === null ? await bodyOf(source) : null
  // The platform's own Request checks method and headers and names the content type.
  const request = new Request(url, {
    method: method ?? source?.method ?? 'GET',
    headers: headers ?? source?.headers ?? {},
    body: whole ?? fromSource,
  })
  const streamed = stream !== undefined && !options.bufferStreams
  if (streamed && (request.method === 'GET' || request.method === 'HEAD'))
    throw new TypeError(`a ${request.method} request cannot have a body`)

  return {
    url,
    method: request.method,
    headers: new Headers(request.headers),
    body: streamed ? stream : request.body ? new Uint8Array(await request.arrayBuffer()) : null,
    replayable: !streamed,
    redirect: redirect ?? source?.redirect ?? 'follow',
    signal: signal ?? source?.signal ?? null,
    init: { ...settingsOf(source), ...rest },
  }
}

/** Methods that need no spelling. */
const PLAIN = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'])

/** The method as the platform spells it, where that needs no asking: a `Request` costs more than the rest of a call. */
function plainMethod(method = 'GET'): string | undefined {
  return PLAIN.has(method) ? method : undefined
}

/** A stream of the platform, or anything else that yields its bytes once. */
function isStream(body: unknown): body is ReadableStream<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

async function bodyOf(source: Request | undefined): Promise<Uint8Array<ArrayBuffer> | null> {
  if (source?.bodyUsed) throw new TypeError('the body of the request was read before')
  return source?.body ? new Uint8Array(await source.arrayBuffer()) : null
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

/** What else a `Request` settles. */
function settingsOf(source: Request | undefined): RequestInit {
  if (!source) return {}
  const { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy } = source
  return { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy }
}
