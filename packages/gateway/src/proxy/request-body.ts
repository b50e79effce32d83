import { Readable } from 'node:stream'
import { isCredentialLine } from '@turnpike/l402'
import type { ClientRequest } from './client-side.ts'
import { headerKind } from './header-kinds.ts'

// A client that was answered may go on sending for this long; after that its connection is cut.
const LINGER_MS = 30_000

/**
 * The body of a request on its way to the upstream. A stream of its own, so that an upstream that fails or stops
 * reading ends this one and leaves the client's connection whole for the answer.
 */
export class RequestBody extends Readable {
  readonly #req: ClientRequest
  // Bytes that may still come.
  #left: number
  #ended = false
  #cut = false

  /** `mostBytes`: of a longer body no more than this is passed on. */
  constructor(req: ClientRequest, mostBytes: number = Number.POSITIVE_INFINITY) {
    super()
    this.#req = req
    this.#left = mostBytes
    // An error here has been told to whoever reads; it must not become an uncaught one.
    this.on('error', () => {})
    req.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
    req.pause()
  }

  /** Whether the body is longer than it may be. */
  get tooLong(): boolean {
    return this.#left < 0
  }

  /** Whether the client left, or sent something malformed or too long, before the body's end. */
  get cut(): boolean {
    return this.#cut
  }

  /** Whether the upstream would take more and the client has not sent it. */
  get starved(): boolean {
    return !this.#ended && this.readableFlowing === true
  }

  /** What followed the body, for upstreams that take it; without what a trailer must not say. */
  get trailers(): string[] {
    const { rawTrailers } = this.#req
    const out: string[] = []
    for (let i = 0; i + 1 < rawTrailers.length; i += 2) {
      const name = rawTrailers[i] ?? ''
      const value = rawTrailers[i + 1] ?? ''
      if (headerKind(name) === 'other' && !isCredentialLine(name, value)) out.push(name, value)
    }
    return out
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#left -= chunk.length
    if (this.#left < 0) {
      this.#cut = true
      this.destroy(new Error('the body is longer than it may be'))
    } else if (!this.push(chunk)) this.#req.pause()
  }

  readonly #onEnd = (): void => {
    if (!this.#req.complete) {
      this.#onClose()
      return
    }
    this.#ended = true
    this.push(null)
  }

  readonly #onClose = (): void => {
    if (this.#ended) return
    this.#cut = true
    this.destroy(new Error('the client closed the connection'))
  }

  override _read(): void {
    this.#req.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#req.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (!this.#ended) discardBody(this.#req)
    callback(error)
  }
}

/** Reads what is left of a request's body and throws it away, so that the answer reaches a client that still sends. */
export function discardBody(req: ClientRequest): void {
  req.resume()
  if (req.complete || req.destroyed) return
  const timer = setTimeout(() => req.destroy(), LINGER_MS)
  timer.unref()
  req.once('close', () => clearTimeout(timer))
}
