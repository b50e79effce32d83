import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ClientRequest, Listener } from './client-side.ts'
import { requestLines } from './h2-lines.ts'

/** What a stream came with. */
export interface H2Head {
  readonly headers: IncomingHttpHeaders
  /** Name, value, … as they came. */
  readonly raw: readonly string[]
  readonly socket: Socket
}

/** One HTTP/2 request, in the form that the data plane reads. */
export class H2Request implements ClientRequest {
  readonly httpVersion = '2.0'
  readonly method: string
  readonly url: string
  readonly rawHeaders: string[]
  rawTrailers: string[] = []
  readonly headers: IncomingHttpHeaders
  readonly socket: Socket
  /** Whether a body follows. */
  readonly hasBody: boolean
  readonly #stream: ServerHttp2Stream
  #complete: boolean

  constructor(stream: ServerHttp2Stream, { headers, raw, socket }: H2Head) {
    this.#stream = stream
    this.headers = headers
    this.method = headers[':method'] ?? ''
    this.url = headers[':path'] ?? ''
    this.rawHeaders = requestLines(raw)
    this.socket = socket
    this.hasBody = !stream.endAfterHeaders
    this.#complete = stream.endAfterHeaders
    if (this.hasBody) {
      // `end` comes too where the connection broke under the body.
      stream.once('end', () => {
        this.#complete = !stream.destroyed && !stream.aborted
      })
      stream.once('trailers', (_: unknown, __: unknown, lines: string[] = []) => {
        this.rawTrailers = lines
      })
    } else {
      // Nobody reads what is empty, and unread it would not end.
      stream.resume()
    }
  }

  get headersDistinct(): NodeJS.Dict<string[]> {
    const out: NodeJS.Dict<string[]> = {}
    for (let i = 0; i < this.rawHeaders.length; i += 2) {
      const name = this.rawHeaders[i] ?? ''
      out[name] = [...(out[name] ?? []), this.rawHeaders[i + 1] ?? '']
    }
    return out
  }

  get complete(): boolean {
    return this.#complete
  }

  get destroyed(): boolean {
    return this.#stream.destroyed
  }

  on(event: string, listener: Listener): this {
    this.#stream.on(event, listener)
    return this
  }

  once(event: string, listener: Listener): this {
    this.#stream.once(event, listener)
    return this
  }

  off(event: string, listener: Listener): this {
    this.#stream.off(event, listener)
    return this
  }

  pause(): this {
    this.#stream.pause()
    return this
  }

  resume(): this {
    this.#stream.resume()
    return this
  }

  unshift(chunk: Buffer): void {
    this.#stream.unshift(chunk)
  }

  destroy(): void {
    this.#stream.close()
  }
}
