/**
 * What the data plane needs of a request and of its answer, whichever version of HTTP carries them: `node:http`'s own objects
 * for HTTP/1, so that nothing stands between them and the fast path, and two thin ones over a stream for HTTP/2.
 */

import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'

/** Of `data`, `end`, `close`, `drain` or `error`. */
export type Listener = (chunk: Buffer) => void

/** A request as it comes in; its body is read by `data` and `end`. */
export interface ClientRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** `1.0`, `1.1` or `2.0`. */
  readonly httpVersion: string
  /** Name, value, …; of HTTP/2 without the pseudo fields, and with `:authority` as the `Host` line. */
  readonly rawHeaders: string[]
  /** There once the body has ended. */
  readonly rawTrailers: string[]
  readonly headers: IncomingHttpHeaders
  readonly headersDistinct: NodeJS.Dict<string[]>
  /** The connection; of HTTP/2 shared by many requests. */
  readonly socket: Socket
  /** Whether all of it has arrived. */
  readonly complete: boolean
  readonly destroyed: boolean
  /** Whether a body follows, where that is known before its framing is read. */
  readonly hasBody?: boolean
  /** The address that asks, where it is not the connection's. */
  readonly peer?: string
  /** What the client speaks, where it is not what the connection does. */
  readonly scheme?: 'http' | 'https'
  /** The gateway's own, for a payment that is held. */
  readonly held?: true
  on(event: string, listener: Listener): this
  once(event: string, listener: Listener): this
  off(event: string, listener: Listener): this
  pause(): this
  resume(): this
  /** Puts back what was read of the body, for whoever reads on. */
  unshift(chunk: Buffer): void
  /** Ends the request, and the connection where it carries no other. */
  destroy(): unknown
}

/** The answer to a request. */
export interface ClientAnswer {
  readonly req: ClientRequest
  readonly socket: Socket | null
  readonly statusCode: number
  readonly headersSent: boolean
  /** Whether all of it went out. */
  readonly writableFinished: boolean
  readonly destroyed: boolean
  /** Whether trailers can follow the body. */
  readonly chunkedEncoding: boolean
  /** False: the connection closes after this answer. Nothing to HTTP/2. */
  shouldKeepAlive: boolean
  on(event: string, listener: Listener): this
  once(event: string, listener: Listener): this
  writeHead(status: number, lines: string[]): unknown
  writeHead(status: number, text: string, lines: string[] | undefined): unknown
  /** False: `drain` follows. */
  write(chunk: Buffer): boolean
  end(chunk?: Buffer): unknown
  addTrailers(pairs: [name: string, value: string][]): void
  flushHeaders(): void
  writeContinue(): void
  /** Told that this answer is one that was kept in the books. */
  isKept?(): void
  writeEarlyHints(hints: { link: string[] }): void
  /** Breaks the answer off, so that the client sees that it is not whole. */
  destroy(): unknown
}
