import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2'
import { closedError, type H2Job, sendH2 } from './h2-call.ts'
import type { Upstream, UpstreamHandler, UpstreamRequest } from './upstream-pools.ts'

/** How an upstream that speaks HTTP/2 is reached. */
export interface H2Target {
  /** `http://…` (h2c, with prior knowledge) or `https://…`. */
  readonly origin: string
  readonly connectTimeoutMs: number
  readonly maxHeaderBytes: number
  /** For `https`. */
  readonly tls: Pick<SecureClientSessionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>
}

const MAX_SESSIONS = 16
// Until the upstream has said how many requests it takes at a time; RFC 9113 §6.5.2 asks for at least 100.
const STREAMS_AT_FIRST = 100
const PING_EVERY_MS = 30_000
const PONG_WITHIN_MS = 10_000

interface Link {
  readonly session: ClientHttp2Session
  streams: number
  most: number
  open: boolean
}

/** Connections to one HTTP/2 upstream: another one is opened when those there are take no more requests. */
export class H2Upstream implements Upstream {
  readonly #target: H2Target
  readonly #authority: { readonly scheme: string; readonly host: string }
  readonly #links = new Set<Link>()
  readonly #waiting: H2Job[] = []
  #connecting = false
  #closing = false

  constructor(target: H2Target) {
    this.#target = target
    const { protocol, host } = new URL(target.origin)
    this.#authority = { scheme: protocol.slice(0, -1), host }
  }

  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void {
    this.#waiting.push({ request, handler, tries: 0 })
    this.#pump()
  }

  dispatchAfresh(request: UpstreamRequest, handler: UpstreamHandler): void {
    this.dispatch(request, handler)
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#pump()
  }

  async destroy(): Promise<void> {
    this.#closing = true
    for (const { handler } of this.#waiting.splice(0)) handler.onError?.(closedError())
    for (const { session } of this.#links) session.destroy()
  }

  #pump(): void {
    for (const link of this.#links) {
      while (this.#waiting.length > 0 && link.open && link.streams < link.most) this.#send(link)
    }
    if (this.#waiting.length > 0) this.#connect()
    else if (this.#closing) for (const { session } of this.#links) session.close()
  }

  #send(link: Link): void {
    const job = this.#waiting.shift()
    if (job === undefined) return
    const unprocessed = (again: H2Job): void => {
      this.#waiting.unshift(again)
      this.#pump()
    }
    const stream = sendH2(link.session, this.#authority, { job, unprocessed })
    if (stream === undefined) return
    link.streams++
    stream.once('close', () => {
      link.streams--
      this.#pump()
    })
  }

  #connect(): void {
    if (this.#connecting || this.#links.size >= MAX_SESSIONS) return
    this.#connecting = true
    const { origin, tls, maxHeaderBytes, connectTimeoutMs } = this.#target
    const session = connect(origin, {
      ...tls,
      settings: { enablePush: false, maxHeaderListSize: maxHeaderBytes },
      maxSessionMemory: 64,
    })
    const link: Link = { session, streams: 0, most: STREAMS_AT_FIRST, open: false }
    this.#links.add(link)
    let fault: Error | undefined
    const late = setTimeout(() => {
      session.destroy(Object.assign(new Error('no connection in time'), { code: 'UND_ERR_CONNECT_TIMEOUT' }))
    }, connectTimeoutMs)
    const pings = setInterval(ping, PING_EVERY_MS, link).unref()
    session
      .once('connect', () => {
        clearTimeout(late)
        this.#connecting = false
        link.open = true
        this.#pump()
      })
      .on('remoteSettings', ({ maxConcurrentStreams }) => {
        link.most = maxConcurrentStreams ?? STREAMS_AT_FIRST
        this.#pump()
      })
      .on('goaway', () => {
        // What it did not process comes back as refused, and goes elsewhere.
        link.open = false
      })
      .on('error', (error) => {
        fault = error
      })
      .once('close', () => {
        clearTimeout(late)
        clearInterval(pings)
        const never = !link.open && this.#connecting
        link.open = false
        this.#links.delete(link)
        if (never) {
          this.#connecting = false
          for (const { handler } of this.#waiting.splice(0)) handler.onError?.(fault ?? closedError())
        } else this.#pump()
      })
  }
}

/** A connection that is dead without a word must not keep its requests. */
function ping({ session, streams, open }: Link): void {
  if (!open || streams === 0 || session.destroyed) return
  const late = setTimeout(() => session.destroy(), PONG_WITHIN_MS)
  session.once('close', () => clearTimeout(late))
  try {
    session.ping(() => clearTimeout(late))
  } catch {
    clearTimeout(late)
  }
}
