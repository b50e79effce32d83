/** Requests that another proxy carries and asks about: the same reading and the same gate, and no upstream. */

import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { HeaderLines } from '@turnpike/l402'
import type { Entitlement } from '@turnpike/l402/server'
import type { OwnProblem } from './answers.ts'
import type { ClientAnswer, ClientRequest } from './client-side.ts'
import { headerKind } from './header-kinds.ts'
import { NEEDS_BODY, OVERRIDDEN } from './own-problems.ts'
import type { RequestHead } from './request-head.ts'
import type { ProxyRoute } from './routing.ts'
import type { Visit } from './visit.ts'

/** What a proxy says of the request that it asks about. */
export interface AskedFacts {
  readonly method: string
  /** As it stands in the request line; the proxy must send the same on. */
  readonly target: string
  /** The authority that the client asked. */
  readonly host: string
  readonly scheme: 'http' | 'https'
  /** Whom the proxy's connection is with. */
  readonly peer: string
  /** Those that the peer says it speaks for, as in `X-Forwarded-For`; believed where the peer is a trusted proxy. */
  readonly forwardedFor: string
  /** Of the body in bytes; `undefined`: nobody says it. */
  readonly bodyLength: number | undefined
  /** The client's own lines without those above: name, value, … */
  readonly lines: readonly string[]
}

/** May go to the resource. What it holds on its credential is the asker's to settle. */
export interface Admitted {
  readonly visit: Visit
  readonly head: RequestHead
  readonly route: ProxyRoute
  /** `null` on a free route. */
  readonly entitlement: Entitlement | null
}

/** Stands where a request has no connection of its own. Never connected. */
const NO_SOCKET: Socket = new Socket()

/** A request that is asked about. It has no body here, whatever it has where it is. */
export class AskedRequest implements ClientRequest {
  readonly method: string
  readonly url: string
  readonly httpVersion = '1.1'
  readonly rawHeaders: string[]
  readonly rawTrailers: string[] = []
  readonly headers: IncomingHttpHeaders
  readonly headersDistinct: NodeJS.Dict<string[]> = {}
  readonly socket: Socket = NO_SOCKET
  readonly complete = true
  readonly destroyed = false
  readonly peer: string
  readonly scheme: 'http' | 'https'
  /** A body whose length nobody says may be there. */
  readonly hasBody: boolean

  constructor({ method, target, host, scheme, peer, forwardedFor, bodyLength, lines }: AskedFacts) {
    this.method = method
    this.url = target
    this.scheme = scheme
    this.peer = peer
    this.hasBody = bodyLength !== 0
    this.rawHeaders = ['Host', host, ...lines]
    if (bodyLength !== undefined) this.rawHeaders.push('Content-Length', String(bodyLength))
    this.rawHeaders.push('X-Forwarded-For', forwardedFor)
    for (let i = 0; i < this.rawHeaders.length; i += 2) {
      const name = (this.rawHeaders[i] ?? '').toLowerCase()
      const values = this.headersDistinct[name] ?? []
      values.push(this.rawHeaders[i + 1] ?? '')
      this.headersDistinct[name] = values
    }
    const { headersDistinct } = this
    this.headers = Object.fromEntries(
      ['access-control-request-method', 'access-control-request-headers'].map((name) => [
        name,
        headersDistinct[name]?.[0],
      ]),
    )
  }

  on(): this {
    return this
  }

  once(): this {
    return this
  }

  off(): this {
    return this
  }

  pause(): this {
    return this
  }

  resume(): this {
    return this
  }

  unshift(): void {}

  destroy(): void {}
}

/** What is to be said about a request. */
export interface AskedAnswer {
  readonly status: number
  /** Name, value, …; without `Content-Length`. */
  readonly lines: HeaderLines
  readonly body: Buffer
  /** Whether the request may go on: then these lines are for the proxy. Else this is what the client is to get. */
  readonly pass: boolean
}

/** Collects the answer and hands it over as a whole. */
export class AskedReply extends EventEmitter implements ClientAnswer {
  readonly req: ClientRequest
  readonly socket: Socket = NO_SOCKET
  statusCode = 0
  headersSent = false
  writableFinished = false
  destroyed = false
  readonly chunkedEncoding = false
  shouldKeepAlive = true
  readonly #deliver: (answer: AskedAnswer) => void
  #lines: readonly string[] = []

  constructor(req: ClientRequest, deliver: (answer: AskedAnswer) => void) {
    super()
    this.req = req
    this.#deliver = deliver
  }

  /** The request may go on. `lines` are for the proxy. */
  pass(lines: readonly string[]): void {
    this.statusCode = 200
    this.headersSent = true
    this.#deliver({ status: 200, lines, body: Buffer.alloc(0), pass: true })
  }

  /** The proxy that asked has the answer, or is gone. */
  over(delivered: boolean): void {
    if (this.destroyed) return
    this.destroyed = true
    this.writableFinished = delivered
    this.emit('close')
  }

  writeHead(status: number, lines: string[] | string): void {
    this.statusCode = status
    this.headersSent = true
    this.#lines = typeof lines === 'string' ? [] : lines
  }

  write(): boolean {
    throw new TypeError('an answer about a request is given as a whole')
  }

  end(chunk: Buffer = Buffer.alloc(0)): void {
    const lines: string[] = []
    for (let i = 0; i < this.#lines.length; i += 2) {
      const name = this.#lines[i] ?? ''
      if (name.toLowerCase() !== 'content-length') lines.push(name, this.#lines[i + 1] ?? '')
    }
    this.#deliver({ status: this.statusCode, lines, body: chunk, pass: false })
  }

  addTrailers(): void {}

  flushHeaders(): void {}

  writeContinue(): void {}

  writeEarlyHints(): void {}

  destroy(): void {
    this.over(false)
  }
}

/** Why a request on this route cannot be decided over where it is only asked about. */
export function askedProblem(
  lines: readonly string[],
  route: ProxyRoute,
  head: Pick<RequestHead, 'hasBody'>,
): OwnProblem | undefined {
  const { pricer } = route.terms
  // The price hangs on what passes by: the body, or the end of the answer.
  if (pricer?.metered !== undefined || (pricer?.readsBody === true && head.hasBody)) return NEEDS_BODY
  // The data plane takes these away. Here they would reach an upstream that takes the request for another one.
  if (!route.keepOverrideHeaders)
    for (let i = 0; i < lines.length; i += 2) if (headerKind(lines[i] ?? '') === 'override') return OVERRIDDEN
  return undefined
}

/**
 * Whether a target is written in a way of which another reader could make another path. The proxy that asks sends it on as
 * it is, so only one spelling will do: that of the normal form, with hexadecimal digits in any case.
 */
export function spelledOtherwise(target: string, path: string): boolean {
  if (target.startsWith(path) && (target.length === path.length || target[path.length] === '?')) return false
  const raw = target.split('?', 1)[0] ?? ''
  return raw.replace(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase()) !== path
}
