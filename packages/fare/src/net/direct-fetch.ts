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
import { type FetchSettings, type PlainFetch, timeoutsOf } from './settings.ts'
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
    const list = headerList(headers)
    const lines = [...list].flat()
    if (!list.has('host')) lines.unshift('host', target.host)
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
  const timeouts = timeoutsOf(settings)
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined
    const within = (ms: number, what: string): ReturnType<typeof setTimeout> | undefined =>
      ms === 0 ? undefined : setTimeout(() => sent.destroy(new Error(what)), ms)
    let connecting: ReturnType<typeof within>
    let thinking: ReturnType<typeof within>
    const arrived = (): void => {
      clearTimeout(connecting)
      clearTimeout(thinking)
    }
    const abort = (): void => void (answer ?? sent).destroy(signal?.reason as Error)
    signal?.addEventListener('abort', abort, { once: true })
    sent.once('close', () => {
      arrived()
      signal?.removeEventListener('abort', abort)
    })
    sent.on('error', reject)
    sent.once('finish', () => {
      const { responseTimeoutMs: ms } = timeouts
      if (!answer) thinking = within(ms, `no answer within ${timeText(ms)} (--response-timeout)`)
    })
    sent.once('response', (response) => {
      arrived()
      answer = response
      resolve(response)
    })
    sent.once('upgrade', (_, socket) => {
      arrived()
      socket.destroy()
      reject(new Error('the server changed to another protocol'))
    })
    sent.once('socket', (socket: Socket & { encrypted?: boolean }) => {
      const ready = socket.encrypted ? 'secureConnect' : 'connect'
      socket.once('connect', () => {
        const peer = socket.remoteAddress ?? ''
        if (guard && !guard.allows(peer)) sent.destroy(refusal(guard, peer))
      })
      if (!socket.connecting) return
      const { connectTimeoutMs: ms } = timeouts
      connecting = within(ms, `no connection within ${timeText(ms)} (--connect-timeout)`)
      socket.once(ready, () => clearTimeout(connecting))
    })
    watchIdle(sent, timeouts.idleTimeoutMs, () => answer)
    if (stream instanceof ReadableStream) Readable.fromWeb(stream as never).pipe(sent)
    else sent.end(bytes ?? undefined)
  })
}

/** Ends an exchange whose body stands still, of the request or of the answer. */
function watchIdle(sent: ClientRequest, ms: number, answer: () => IncomingMessage | undefined): void {
  if (ms === 0) return
  sent.setTimeout(ms)
  sent.on('timeout', () => {
    const body = answer()
    // What has come and is not taken yet is the reader's pause; and before the answer another clock runs.
    const waits = body ? body.readableLength > 0 : sent.writableFinished
    if (waits) return void sent.setTimeout(ms)
    const late = new Error(`nothing moved for ${timeText(ms)} (--idle-timeout)`)
    ;(body ?? sent).destroy(late)
  })
}

function timeText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`
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
