import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ClientAnswer, Listener } from './client-side.ts'
import { h2Headers } from './h2-lines.ts'
import type { H2Request } from './h2-request.ts'

/** The answer to one HTTP/2 request. An answer without a body is one HEADERS frame, which also ends the stream. */
export class H2Answer implements ClientAnswer {
  readonly req: H2Request
  statusCode = 0
  shouldKeepAlive = true
  readonly #stream: ServerHttp2Stream
  #lines: string[] = []
  #headed = false
  #ended = false
  #cut = false
  #chunked = true
  #trailers: [name: string, value: string][] = []

  constructor(stream: ServerHttp2Stream, req: H2Request) {
    this.#stream = stream
    this.req = req
  }

  get socket(): Socket {
    return this.req.socket
  }

  get headersSent(): boolean {
    return this.#headed
  }

  get writableFinished(): boolean {
    const { rstCode, writableFinished } = this.#stream
    return (
      this.#ended &&
      writableFinished &&
      (rstCode ?? constants.NGHTTP2_NO_ERROR) === constants.NGHTTP2_NO_ERROR
    )
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  /** Whether trailers can follow: not where the length was said. */
  get chunkedEncoding(): boolean {
    return this.#chunked
  }

  on(event: string, listener: Listener): this {
    this.#stream.on(event, listener)
    return this
  }

  once(event: string, listener: Listener): this {
    this.#stream.once(event, listener)
    return this
  }

  /** Goes out with the first byte, or by {@link flushHeaders}. */
  writeHead(status: number, textOrLines: string | string[], lines?: string[]): void {
    this.statusCode = status
    this.#lines = (typeof textOrLines === 'string' ? lines : textOrLines) ?? []
    this.#chunked = !this.#lines.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length')
    // Checked here, so that a line that cannot be sent is told to the one who gave it.
    for (const text of this.#lines)
      if (UNSENDABLE.test(text)) throw new TypeError('a header line cannot be sent')
  }

  write(chunk: Buffer): boolean {
    this.flushHeaders()
    if (this.destroyed) return true
    return this.#stream.write(chunk)
  }

  end(chunk?: Buffer): void {
    if (this.#ended || this.destroyed) return
    this.#ended = true
    const stream = this.#stream
    const bodiless = chunk === undefined || chunk.length === 0 || this.req.method === 'HEAD'
    if (!this.#headed && bodiless && this.#trailers.length === 0) this.#respond(true)
    else {
      this.flushHeaders()
      if (bodiless) stream.end()
      else stream.end(chunk)
    }
    // What the client still sends is of no use to anybody (RFC 9113 §8.1).
    if (!this.#chunked && !this.req.complete) stream.once('finish', () => setImmediate(stopReading, stream))
  }

  addTrailers(pairs: [name: string, value: string][]): void {
    this.#trailers = pairs
  }

  flushHeaders(): void {
    if (!this.#headed && this.statusCode !== 0) this.#respond(false)
  }

  writeContinue(): void {
    if (!this.#headed && !this.destroyed) this.#stream.additionalHeaders({ ':status': 100 })
  }

  writeEarlyHints({ link }: { link: string[] }): void {
    if (!this.#headed && !this.destroyed) this.#stream.additionalHeaders({ ':status': 103, link })
  }

  destroy(): void {
    if (this.destroyed) return
    // Node ends what it closes: without this the end would look like one.
    this.#cut = true
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  #respond(endStream: boolean): void {
    const stream = this.#stream
    if (this.destroyed) return
    this.#headed = true
    const waitForTrailers = !endStream && this.#chunked
    if (waitForTrailers) {
      stream.once('wantTrailers', () => {
        if (this.#cut) return
        stream.sendTrailers(h2Headers(this.#trailers.flat()))
        if (!this.req.complete) setImmediate(stopReading, stream)
      })
    }
    stream.respond({ ':status': this.statusCode, ...h2Headers(this.#lines) }, { endStream, waitForTrailers })
    if (endStream && !this.req.complete) setImmediate(stopReading, stream)
  }
}

const UNSENDABLE = /[\0\r\n]/

// Some clients (curl 7.88) lose an answer whose stream is reset while they send: they get the time to hear of it.
const GRACE_MS = 1_000

function stopReading(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.readableEnded) return
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), GRACE_MS).unref()
  stream.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
}
