/**
 * One connection per request, over `node:http`: loads fast, and what was paid for never goes out on a connection that
 * the server is about to close (rule C6).
 */

import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { hasBody, responseOf } from './answer.ts'
import { headerList } from './header-list.ts'
import type { FetchSettings, PlainFetch } from './settings.ts'
import type { AddressGuard } from './ssrf-guard.ts'

/** Challenges may be large: a macaroon of 8 KiB stands in them twice (rule V6). */
export const MOST_HEADER_BYTES: number = 256 * 1024

/** Makes the fetch. `guard` decides where it may connect to. */
export function directFetch(settings: FetchSettings, guard: AddressGuard | undefined): PlainFetch {
  const open = new Set<ClientRequest>()
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method = 'GET', headers, body, signal } = init
    signal?.throwIfAborted()
    const target = new URL(url)
    const tls = target.protocol === 'https:' ? await import('node:https') : undefined
    const lines = [...headerList(headers)].flat()
    if (!lines.includes('host')) lines.unshift('host', target.host)
    const bytes = body instanceof Uint8Array ? body : null
    if (bytes !== null) lines.push('content-length', `${bytes.length}`)
    else if (body === null || body === undefined) {
      if (/^(post|put|patch)$/i.test(method)) lines.push('content-length', '0')
    }
    const options: RequestOptions & { rejectUnauthorized?: boolean } = {
      method,
      host: target.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: target.port === '' ? (tls ? 443 : 80) : target.port,
      path: target.pathname + target.search,
      headers: lines,
      maxHeaderSize: MOST_HEADER_BYTES,
      agent: false,
      ...(settings.insecure ? { rejectUnauthorized: false } : {}),
      ...(guard ? { lookup: guard.lookup } : {}),
    }
    if (guard && !tls) options.createConnection = guardedConnection(guard)
    if (guard && isIP(options.host ?? '') !== 0) guard.check(options.host ?? '')
    const sent = (tls?.request ?? httpRequest)(options)
    open.add(sent)
    sent.once('close', () => open.delete(sent))
    const answer = await answered(sent, { settings, guard, bytes, stream: body, signal: signal ?? null })
    const status = answer.statusCode ?? 0
    const whole = hasBody(method, status)
    if (!whole) answer.resume()
    return responseOf({
      status,
      statusText: answer.statusMessage ?? '',
      headers: answer.rawHeaders,
      body: whole ? (Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>) : null,
    })
  }
  return {
    fetch: fetch as typeof globalThis.fetch,
    close: async () => {
      for (const sent of open) sent.destroy()
    },
  }
}

interface Sending {
  readonly settings: FetchSettings
  readonly guard: AddressGuard | undefined
  readonly bytes: Uint8Array | null
  readonly stream: RequestInit['body']
  readonly signal: AbortSignal | null
}

function answered(sent: ClientRequest, sending: Sending): Promise<IncomingMessage> {
  const { settings, guard, bytes, stream, signal } = sending
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let answer: IncomingMessage | undefined
    const abort = (): void => void (answer ?? sent).destroy(signal?.reason as Error)
    signal?.addEventListener('abort', abort, { once: true })
    sent.once('close', () => signal?.removeEventListener('abort', abort))
    sent.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    sent.once('response', (response) => {
      clearTimeout(timer)
      answer = response
      resolve(response)
    })
    sent.once('upgrade', (_, socket) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new Error('the server changed to another protocol'))
    })
    sent.once('socket', (socket: Socket & { encrypted?: boolean }) => {
      const ready = socket.encrypted ? 'secureConnect' : 'connect'
      socket.once('connect', () => {
        const peer = socket.remoteAddress ?? ''
        if (guard && !guard.allows(peer)) sent.destroy(refusal(guard, peer))
      })
      if (settings.connectTimeoutMs !== undefined && socket.connecting) {
        const late = new Error(`no connection within ${settings.connectTimeoutMs} ms`)
        timer = setTimeout(() => sent.destroy(late), settings.connectTimeoutMs)
        socket.once(ready, () => clearTimeout(timer))
      }
    })
    if (stream instanceof ReadableStream) Readable.fromWeb(stream as never).pipe(sent)
    else sent.end(bytes ?? undefined)
  })
}

/** A connection handed over only once its peer has been checked. */
function guardedConnection(guard: AddressGuard): NonNullable<RequestOptions['createConnection']> {
  return (options, handOver) => {
    const socket = connectPlain(options as never)
    const failed = (error: Error): void => handOver(error, socket)
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      const peer = socket.remoteAddress ?? ''
      if (guard.allows(peer)) return handOver(null, socket)
      socket.destroy()
      handOver(refusal(guard, peer), socket)
    })
    return undefined
  }
}

function refusal(guard: AddressGuard, address: string): Error {
  try {
    guard.check(address)
  } catch (error) {
    if (error instanceof Error) return error
  }
  return new Error('the connection is not allowed')
}
