/** What an agent asks for, made into a request. Nothing in it reads a file or widens a limit. */

import { L402Error, parseAmount } from '@turnpike/l402'
import type { PreparedRequest } from '@turnpike/l402/client'
import { z } from 'zod'
import { REFUSED_HEADERS } from '../net/refused-headers.ts'

/** The agent's own mistake; its message says what was expected. */
export class AskedWrongly extends Error {}

/** Arguments that `fetch` and `quote` share. */
export const REQUEST_SHAPE = {
  url: z.string().max(8192).describe('An http:// or https:// URL.'),
  method: z.string().max(32).optional().describe('Default: GET, or POST where there is a body.'),
  headers: z
    .record(z.string().max(256), z.string().max(8192))
    .optional()
    .describe('Headers by name. A request with its own Authorization is not paid for.'),
  body: z.string().max(4_000_000).optional().describe('The body as text.'),
  bodyBase64: z.string().max(4_000_000).optional().describe('The body as base64, for bytes.'),
} as const

/** As parsed. */
export interface AskedRequest {
  readonly url: string
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  readonly bodyBase64?: string | undefined
}

/** Throws {@link AskedWrongly}. */
export function askedRequest(asked: AskedRequest, signal: AbortSignal): PreparedRequest {
  const url = URL.canParse(asked.url) ? new URL(asked.url) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new AskedWrongly('url: expected an http:// or https:// URL')
  if (url.username !== '' || url.password !== '')
    throw new AskedWrongly('url: a user name or password in a URL is not sent; use headers')
  url.hash = ''
  const body = bodyOf(asked)
  const method = (asked.method ?? (body === null ? 'GET' : 'POST')).toUpperCase()
  if (!/^[!#$%&'*+.^_`|~0-9A-Z-]+$/.test(method) || /^(CONNECT|TRACE|TRACK)$/.test(method))
    throw new AskedWrongly('method: expected the name of an HTTP method, such as GET or POST')
  if (body !== null && (method === 'GET' || method === 'HEAD'))
    throw new AskedWrongly(`body: a ${method} request has none`)
  const headers = headersOf(asked.headers ?? {})
  if (body !== null && !headers.has('content-type'))
    headers.set('content-type', asked.body === undefined ? 'application/octet-stream' : guessType(asked.body))
  if (!headers.has('accept')) headers.set('accept', '*/*')
  if (!headers.has('user-agent')) headers.set('user-agent', 'fare')
  return { url, method, headers, body, replayable: true, redirect: 'follow', signal, init: {} }
}

function headersOf(given: Readonly<Record<string, string>>): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (REFUSED_HEADERS.has(lower)) throw new AskedWrongly(`headers: ${lower} cannot be set`)
    try {
      headers.append(name, value)
    } catch {
      // The value may be a secret: it is not repeated.
      throw new AskedWrongly('headers: expected legal header names and values')
    }
  }
  return headers
}

function bodyOf({ body, bodyBase64 }: AskedRequest): Uint8Array<ArrayBuffer> | null {
  if (body !== undefined && bodyBase64 !== undefined)
    throw new AskedWrongly('body and bodyBase64: expected one of them')
  if (body !== undefined) return new TextEncoder().encode(body)
  if (bodyBase64 === undefined) return null
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(bodyBase64)) throw new AskedWrongly('bodyBase64: expected base64')
  return new Uint8Array(Buffer.from(bodyBase64, 'base64'))
}

function guessType(body: string): string {
  try {
    JSON.parse(body)
    return 'application/json'
  } catch {
    return 'text/plain; charset=utf-8'
  }
}

/** The limit of a call, as `50 sat`; `0` pays nothing. Throws {@link AskedWrongly}. */
export function askedMax(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  try {
    return text.trim() === '0' ? 0n : parseAmount(text)
  } catch (error) {
    if (error instanceof L402Error) throw new AskedWrongly(`max: ${error.message}`)
    throw error
  }
}
