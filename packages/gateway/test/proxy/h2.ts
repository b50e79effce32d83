/** HTTP/2 clients and upstreams for tests of the proxy. */

import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientSessionOptions,
  connect,
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
  type SecureServerOptions,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { cleanups } from './harness.ts'

/** What came back on one stream. */
export interface H2Answered {
  /** 0: the stream was reset before a head. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders | undefined
  /** Early hints and 100 Continue. */
  readonly informational: readonly IncomingHttpHeaders[]
  readonly rstCode: number
}

/** A session with a gateway; closed after the test. */
export async function openH2(
  url: string,
  options: ClientSessionOptions | SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connect(url, options)
  session.on('error', () => {})
  cleanups.push(async () => {
    session.destroy()
  })
  await once(session, 'connect')
  return session
}

/** Sends one request and reads all that comes back. */
export function askH2(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<H2Answered> {
  const stream = session.request(
    { ':authority': 'gateway.test', ...headers },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(body)
  return new Promise((resolve) => {
    let answered: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders | undefined
    const informational: IncomingHttpHeaders[] = []
    const chunks: Buffer[] = []
    stream.on('headers', (lines) => informational.push(lines))
    stream.on('response', (lines) => {
      answered = lines
    })
    stream.on('trailers', (lines) => {
      trailers = lines
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', () => {})
    stream.on('close', () =>
      resolve({
        status: Number(answered[':status'] ?? 0),
        headers: answered,
        body: Buffer.concat(chunks).toString('latin1'),
        trailers,
        informational,
        rstCode: stream.rstCode ?? 0,
      }),
    )
  })
}

/** What an HTTP/2 upstream does with a stream. */
export type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  raw: readonly string[],
) => void

/** An HTTP/2 upstream; with `tls` over TLS, and with `streams` for so many requests at a time. */
export async function startH2Upstream(
  handler: StreamHandler,
  { tls, streams }: { readonly tls?: SecureServerOptions; readonly streams?: number } = {},
): Promise<{ readonly origin: string; readonly sessions: () => number }> {
  const settings = streams === undefined ? {} : { maxConcurrentStreams: streams }
  const server = tls === undefined ? createServer({ settings }) : createSecureServer({ ...tls, settings })
  const sessions = new Set<{ destroy(): void }>()
  let opened = 0
  server.on('session', (session) => {
    opened++
    sessions.add(session)
    session.on('error', () => {})
  })
  server.on('sessionError', () => {})
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, raw?: string[]) => {
      stream.on('error', () => {})
      handler(stream, headers, raw ?? [])
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  cleanups.push(async () => {
    for (const session of sessions) session.destroy()
    server.close()
    await once(server, 'close')
  })
  return { origin: `${tls === undefined ? 'h2c' : 'https'}://127.0.0.1:${port}`, sessions: () => opened }
}
