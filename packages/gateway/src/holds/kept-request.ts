/** A request that is kept until it is paid for, and then run as if its client had sent it again with the credential. */

import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { formatCredential, isCredentialLine } from '@turnpike/l402'
import type { HeldSale } from '@turnpike/l402/server'
import type { ClientAnswer, ClientRequest } from '../proxy/client-side.ts'
import type { HeldRequest } from '../proxy/data-plane-types.ts'

/** Stands where a request has no connection of its own. Never connected. */
const NO_SOCKET: Socket = new Socket()

/** Lines that were for the connection, or say again what is said anew. */
const LEFT_OUT = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'expect'],
  ...['transfer-encoding', 'content-length', 'trailer'],
])

/** The request with the credential that its payment is going to be. */
export class KeptRequest extends Readable implements ClientRequest {
  readonly held = true as const
  readonly method: string
  readonly url: string
  // Of a stream: it has no connection that another request could follow on.
  readonly httpVersion = '2.0'
  readonly rawHeaders: string[]
  readonly rawTrailers: string[] = []
  readonly headers: IncomingHttpHeaders
  readonly headersDistinct: NodeJS.Dict<string[]> = {}
  readonly socket: Socket = NO_SOCKET
  readonly peer: string
  readonly scheme: 'http' | 'https'
  readonly hasBody: boolean
  #body: Buffer | null

  constructor({ method, url, lines, peer, scheme, body }: HeldRequest, sale: HeldSale) {
    super()
    // HEAD uses what a GET would (rule S8).
    this.method = method === 'HEAD' ? 'GET' : method
    this.url = url
    this.peer = peer
    this.scheme = scheme
    this.hasBody = body.length > 0
    this.#body = body
    this.rawHeaders = []
    for (let i = 0; i < lines.length; i += 2) {
      const [name = '', value = ''] = [lines[i], lines[i + 1]]
      if (!LEFT_OUT.has(name.toLowerCase()) && !isCredentialLine(name, value))
        this.rawHeaders.push(name, value)
    }
    this.rawHeaders.push('Authorization', formatCredential(sale.macaroon, sale.preimage))
    if (this.hasBody) this.rawHeaders.push('Content-Length', String(body.length))
    for (let i = 0; i < this.rawHeaders.length; i += 2) {
      const name = (this.rawHeaders[i] ?? '').toLowerCase()
      this.headersDistinct[name] = [...(this.headersDistinct[name] ?? []), this.rawHeaders[i + 1] ?? '']
    }
    this.headers = { 'content-length': String(body.length) }
  }

  /** Whether all of it has been read. */
  get complete(): boolean {
    return this.readableEnded
  }

  override _read(): void {
    const body = this.#body
    this.#body = null
    if (body !== null && body.length > 0) this.push(body)
    else this.push(null)
  }
}

/** What came of it. */
export interface KeptOutcome {
  readonly status: number
  /** Whether this is the answer that is kept in the books: what the buyer is going to get. */
  readonly kept: boolean
  /** Whether it is worth while to ask again. */
  readonly later: boolean
}

/** Takes the answer, which nobody reads: what is kept of it is in the books when it ends. */
export class KeptReply extends EventEmitter implements ClientAnswer {
  readonly req: ClientRequest
  readonly socket: Socket = NO_SOCKET
  readonly outcome: Promise<KeptOutcome>
  statusCode = 0
  headersSent = false
  writableFinished = false
  destroyed = false
  readonly chunkedEncoding = true
  shouldKeepAlive = true
  #kept = false
  #later = false
  readonly #end: (outcome: KeptOutcome) => void

  constructor(req: ClientRequest) {
    super()
    this.req = req
    const { promise, resolve } = Promise.withResolvers<KeptOutcome>()
    this.outcome = promise
    this.#end = resolve
  }

  writeHead(status: number, text: string[] | string, given?: string[]): void {
    this.statusCode = status
    this.headersSent = true
    const lines = typeof text === 'string' ? (given ?? []) : text
    for (let i = 0; i < lines.length; i += 2) {
      if (lines[i] === 'Retry-After') this.#later = true
    }
  }

  write(): boolean {
    return true
  }

  end(): void {
    this.#over(true)
  }

  destroy(): void {
    this.#over(false)
  }

  #over(whole: boolean): void {
    if (this.destroyed) return
    this.destroyed = true
    this.writableFinished = whole
    this.#end({ status: whole ? this.statusCode : 0, kept: whole && this.#kept, later: this.#later })
    this.emit('close')
  }

  addTrailers(): void {}

  flushHeaders(): void {}

  writeContinue(): void {}

  isKept(): void {
    this.#kept = true
  }

  writeEarlyHints(): void {}
}
