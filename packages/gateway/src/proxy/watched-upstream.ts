import type { UpstreamHandler } from './upstream-pools.ts'

/** Told how an upstream does with one request. */
export interface Watcher {
  /** Its answer has begun. */
  answered(): void
  /** It did not answer, and nobody else is to blame. */
  failed(): void
  /** The request is over; comes once, before the handler hears of it. */
  over(): void
  /** Nothing was sent. Sends the request again, or answers false. */
  again(): boolean
}

/** A dispatch handler that passes everything on and tells how the upstream does. */
export class Watched implements UpstreamHandler {
  readonly #handler: UpstreamHandler
  readonly #watcher: Watcher
  // A connection has taken the request: from here on bytes may have arrived.
  #connected = false
  // Stopped by our side.
  #stopped = false
  #answered = false

  constructor(handler: UpstreamHandler, watcher: Watcher) {
    this.#handler = handler
    this.#watcher = watcher
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#connected = true
    try {
      this.#handler.onConnect?.((error) => {
        this.#stopped = true
        abort(error)
      })
    } catch (error) {
      this.#stopped = true
      throw error
    }
  }

  onBodySent(chunk: unknown): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onUpgrade(...upgrade: Parameters<NonNullable<UpstreamHandler['onUpgrade']>>): void {
    this.#answer()
    this.#watcher.over()
    this.#handler.onUpgrade?.(...upgrade)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status >= 200) this.#answer()
    return this.#handler.onHeaders?.(status, raw, resume, statusText) ?? true
  }

  onData(chunk: Buffer): boolean {
    return this.#handler.onData?.(chunk) ?? true
  }

  onComplete(trailers: string[] | null): void {
    this.#watcher.over()
    this.#handler.onComplete?.(trailers)
  }

  onError(error: Error): void {
    this.#watcher.over()
    // Before an answer only: afterwards the client, or the length of a stream, may be the reason.
    if (!this.#stopped && !this.#answered && !isOurs(error)) {
      this.#watcher.failed()
      // RFC 9110 §9.2.2 speaks of requests that may have arrived: this one has not.
      if (!this.#connected && this.#watcher.again()) return
    }
    this.#handler.onError?.(error)
  }

  #answer(): void {
    if (this.#answered) return
    this.#answered = true
    this.#watcher.answered()
  }
}

/** Faults of the request itself, or of a pool that is being closed: no upstream was asked. */
function isOurs(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : ''
  return /^UND_ERR_(?:INVALID_ARG|REQ_CONTENT_LENGTH_MISMATCH|ABORTED|CLOSED|DESTROYED)$/.test(code)
}
