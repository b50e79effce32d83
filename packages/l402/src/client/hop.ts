/** One stop of a request on its way through redirects. Policy, cache and credential are decided per hop (rule C7). */

import { sha256 } from '../core/hash.ts'
import { hostOf, scopeOf } from './scope.ts'
import type { PreparedRequest } from './types.ts'

/** What is asked of one server. */
export interface Hop {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: PreparedRequest['body']
  /** Host of the first hop. */
  readonly askedHost: string
  /** Scope of the first hop. */
  readonly askedScope: string
  /** A redirect has led from https to http on the way here: no credential goes out and nothing is paid. */
  readonly downgraded: boolean
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Headers about a body that is no longer there. */
const BODY_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
]
/** Headers that are for one origin only. */
const SECRET_HEADERS = [
  'authorization',
  'payment-authorization',
  'proxy-authorization',
  'cookie',
  'host',
  'macaroon',
  'grpc-metadata-macaroon',
  'dpop',
]

/** The request as its first hop. */
export function firstHop(request: PreparedRequest): Hop {
  const { url, method, headers, body } = request
  return {
    url,
    method,
    headers,
    body,
    askedHost: hostOf(url),
    askedScope: scopeOf(method, url),
    downgraded: false,
  }
}

/** Where the answer sends the request; `null` where it is no redirect. Throws `TypeError` for one that cannot be followed. */
export function nextHop(hop: Hop, response: Response): Hop | null {
  const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null
  if (location === null) return null
  const url = URL.canParse(location, hop.url) ? new URL(location, hop.url) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new TypeError('a redirect led to something that is not an http or https URL')
  // RFC 9110 §4.2.4: what a server makes the user present would stand in the place of the user's own Authorization.
  if (url.username !== '' || url.password !== '')
    throw new TypeError('a redirect led to a URL with a user name or password in it')
  if (url.hash === '') url.hash = hop.url.hash
  const becomesGet =
    (response.status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD') ||
    ((response.status === 301 || response.status === 302) && hop.method === 'POST')
  if (!becomesGet && isOneTime(hop.body))
    throw new TypeError('a redirect asks for a body again that is a stream')
  return movedHop(hop, url, becomesGet ? 'GET' : hop.method)
}

/** The same request at another URL; with another method it loses its body, at another origin its secrets. */
export function movedHop(hop: Hop, url: URL, method: string): Hop {
  const headers = copyOf(hop.headers)
  const sameMethod = method === hop.method
  if (!sameMethod) for (const name of BODY_HEADERS) headers.delete(name)
  if (url.origin !== hop.url.origin) for (const name of SECRET_HEADERS) headers.delete(name)
  return {
    url,
    method,
    headers,
    body: sameMethod ? hop.body : null,
    askedHost: hop.askedHost,
    askedScope: hop.askedScope,
    downgraded: hop.downgraded || (hop.url.protocol === 'https:' && url.protocol === 'http:'),
  }
}

/** A copy of the kind it was given: the platform's own is slow to load where a program brings another. */
export function copyOf(headers: Headers): Headers {
  return new (headers.constructor as typeof Headers)(headers)
}

/** Whether a body can be sent once only. */
export function isOneTime(body: Hop['body']): body is ReadableStream<Uint8Array> {
  return body !== null && !(body instanceof Uint8Array)
}

/** SHA-256 of the body, or `null` without one. */
export function bodyDigestOf(hop: Hop): Uint8Array | null {
  return hop.body instanceof Uint8Array ? sha256(hop.body) : null
}
