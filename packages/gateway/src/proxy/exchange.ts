import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HeaderLines } from '@turnpike/l402'
import type { Entitlement } from '@turnpike/l402/server'
import type { Dispatcher } from 'undici'
import { type AnswerLines, answerLines } from './answer-lines.ts'
import { type OwnProblem, sendProblem } from './answers.ts'
import { RequestBody } from './request-body.ts'
import { upstreamFault, upstreamTimeout } from './upstream-faults.ts'
import type { Upstream, UpstreamRequest } from './upstream-pools.ts'

/** What one exchange is made of. */
export interface ExchangeOptions {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** `null`: nobody pays, nothing to settle. */
  readonly entitlement: Entitlement | null
  readonly timeoutMs: number
  readonly hasBody: boolean
  readonly crossOrigin: boolean
  /** Told why an upstream, or the books, did not do their part; never with what a client or an upstream sent. */
  readonly onFault: (code: string, error: unknown) => void
}

/**
 * - `waiting` for the upstream's first byte; nothing is settled, the client may still get an answer of ours
 * - `gathering` a short answer, so that one that breaks off can still become an answer of ours
 * - `opening` the books to the use, or giving it back; the upstream has answered and is paused
 * - `streaming` the answer
 * - `over`: what the upstream still does is of no interest
 */
type Phase = 'waiting' | 'gathering' | 'opening' | 'streaming' | 'over'

// How long an answer waits for a use to be given back; the ledger goes on trying after that.
const RELEASE_WAIT_MS = 1_000
// Answers of a known length up to this go out whole or not at all.
const GATHER_BYTES = 65_536
const BOOKS_DOWN: OwnProblem = {
  code: 'store_unavailable',
  detail: 'the use could not be recorded; nothing was charged',
  lines: ['Retry-After', '5'],
}
const NO_LINES: HeaderLines = []
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * One request at the upstream, as undici's dispatch handler with raw headers. An entitlement that comes in here is told
 * before the first byte of an answer below 500 goes out, and then ended once: committed when the answer has ended, or when
 * the client left although the upstream had its whole request (else a client could have work done and not pay for it by
 * leaving early); released in every other case (protocol §5 rules 3 and 4).
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #body: RequestBody | null
  #phase: Phase = 'waiting'
  #timer: NodeJS.Timeout | undefined
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  // The answer that has not gone out yet, what is there of its body, and how the upstream ended.
  #answer: { status: number; text: string; lines: AnswerLines } | undefined
  #chunks: Buffer[] = []
  #upstreamEnd: 'complete' | Error | undefined
  // Bytes of the body still to come, where the upstream said how many; else -1.
  #left = -1
  #flushed = false
  // The hold that is still to be ended.
  #held: Entitlement | null
  // What was sent, and whether on a connection that had carried others.
  #sent: { readonly upstream: Upstream; readonly request: UpstreamRequest } | undefined
  #reused = false
  // Whether the upstream has the whole request.
  #delivered = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#held = options.entitlement?.counted === true ? options.entitlement : null
    this.#body = options.hasBody ? new RequestBody(options.req) : null
  }

  /** Sends the request on. */
  dispatch(upstream: Upstream, path: string, lines: string[]): void {
    const { req, timeoutMs } = this.#options
    const { method = 'GET' } = req
    const request = { path, method, headers: lines, body: this.#body }
    this.#sent = { upstream, request }
    this.#timer = setTimeout(expire, timeoutMs, this)
    upstream.dispatch(request, this)
  }

  /** The client's connection is gone. */
  clientGone(): void {
    if (this.#delivered && this.#phase !== 'over') this.#commit()
    this.#end()
    void this.#release()
  }

  /** No byte came in time, or a short answer did not come whole in time. */
  expire(): void {
    if (this.#phase !== 'waiting' && this.#phase !== 'gathering') return
    const problem = upstreamTimeout(this.#body?.starved === true)
    if (problem.code === 'request_timeout') this.#options.res.shouldKeepAlive = false
    this.#fail(problem)
  }

  // ---- undici's side

  onConnect(abort: (error?: Error) => void): void {
    // Thrown and not aborted: this leaves the connection, on which nothing was sent, to others.
    if (this.#phase !== 'waiting') throw new Error('the client has left')
    this.#abort = abort
    this.#reused = this.#sent?.request.carry?.() ?? false
  }

  onBodySent(): void {
    // The upstream's time starts when it has what it needs.
    if (this.#phase === 'waiting') this.#timer?.refresh()
  }

  onRequestSent(): void {
    this.#delivered = true
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200 || this.#phase !== 'waiting') return true
    this.#resume = resume
    const { entitlement, crossOrigin } = this.#options
    const lines = answerLines(raw, status, entitlement?.answerHeaders ?? NO_LINES, crossOrigin)
    this.#answer = { status, text: STATUS_TEXT.test(statusText) ? statusText : '', lines }
    if (lines.length > 0 && lines.length <= GATHER_BYTES && this.#mayHaveBody(status)) {
      this.#phase = 'gathering'
      return true
    }
    return this.#open(status)
  }

  onData(chunk: Buffer): boolean {
    if (this.#phase === 'gathering') this.#chunks.push(chunk)
    if (this.#phase !== 'streaming') return true
    const { res } = this.#options
    this.#flushed = true
    if (this.#left >= 0) {
      this.#left -= chunk.length
      if (this.#left === 0) {
        this.#finish(chunk)
        return true
      }
    }
    if (res.write(chunk)) return true
    res.once('drain', () => this.#resume?.())
    return false
  }

  onComplete(trailers: unknown): void {
    switch (this.#phase) {
      case 'gathering':
        this.#upstreamEnd = 'complete'
        this.#open(this.#answer?.status ?? 0)
        break
      case 'opening':
        this.#upstreamEnd = 'complete'
        break
      case 'streaming': {
        const { res } = this.#options
        if (res.chunkedEncoding && Array.isArray(trailers) && trailers.length > 0)
          res.addTrailers(pairs(trailers))
        this.#finish()
      }
    }
  }

  onError(error: Error): void {
    const { res, onFault } = this.#options
    if (this.#phase === 'over') return
    if (this.#body?.cut === true) {
      this.clientGone()
      res.destroy()
    } else if (this.#phase === 'waiting' && this.#sendAgain(error)) return
    else if (this.#phase === 'waiting' || this.#phase === 'gathering') this.#fail(upstreamFault(error), error)
    else if (this.#phase === 'opening') this.#upstreamEnd = error
    else {
      // Never a clean end: the client must see that the answer is not whole.
      onFault('upstream_broke_off', error)
      this.#end()
      void this.#release()
      res.destroy()
    }
  }

  /**
   * An upstream may close an idle connection just when a request goes out on it. RFC 9110 §9.2.2: that request is sent
   * once more, on a connection of its own.
   */
  #sendAgain(error: Error): boolean {
    const { req, hasBody } = this.#options
    const safe = !hasBody && (req.method === 'GET' || req.method === 'HEAD')
    if (!safe || !this.#reused || upstreamFault(error).code !== 'upstream_closed') return false
    const sent = this.#sent
    if (sent === undefined) return false
    const { carry: _, ...request } = sent.request
    this.#sent = undefined
    this.#delivered = false
    sent.upstream.dispatchAfresh(request, this)
    return true
  }

  // ---- the client's side

  #mayHaveBody(status: number): boolean {
    return this.#options.req.method !== 'HEAD' && status !== 204 && status !== 304
  }

  /** Tells the books before the first byte goes out. Answers whether the upstream may go on meanwhile. */
  #open(status: number): boolean {
    clearTimeout(this.#timer)
    const held = this.#held
    if (held === null) {
      this.#begin()
      return true
    }
    this.#phase = 'opening'
    const opened = status >= 500 ? this.#release() : held.serve()
    opened.then(
      () => this.#opened(),
      (error: unknown) => this.#booksFailed(error),
    )
    return false
  }

  #opened(): void {
    if (this.#phase !== 'opening') return
    if (this.#upstreamEnd instanceof Error) this.#fail(upstreamFault(this.#upstreamEnd), this.#upstreamEnd)
    else this.#begin()
  }

  /** The head of the answer, and the body where it is there already. */
  #begin(): void {
    const { res } = this.#options
    const answer = this.#answer
    if (answer === undefined) return
    try {
      res.writeHead(answer.status, answer.text, answer.lines.lines)
    } catch (error) {
      // A header or status that Node will not send.
      this.#fail(upstreamFault(error), error)
      return
    }
    this.#phase = 'streaming'
    if (this.#upstreamEnd === 'complete') {
      const last = this.#chunks.pop()
      for (const chunk of this.#chunks) res.write(chunk)
      this.#finish(last)
      return
    }
    this.#left = answer.lines.length > 0 ? answer.lines.length : -1
    this.#resume?.()
    // The first bytes of a body mostly follow at once and share a packet; a stream's head must not wait for them.
    process.nextTick(flush, this)
  }

  /** The whole answer has gone out. */
  #finish(last?: Buffer): void {
    const { res } = this.#options
    this.#phase = 'over'
    this.#commit()
    if (last === undefined) res.end()
    else res.end(last)
  }

  flushHead(): void {
    if (!this.#flushed && this.#phase === 'streaming') this.#options.res.flushHeaders()
  }

  #booksFailed(error: unknown): void {
    const { res, onFault } = this.#options
    onFault('store_unavailable', error)
    // Not waited for: the books are down, and go on trying by themselves.
    void this.#release()
    if (this.#phase !== 'opening') return
    this.#end()
    sendProblem(res, BOOKS_DOWN, this.#options)
  }

  #fail(problem: OwnProblem, error?: unknown): void {
    const { res, onFault } = this.#options
    onFault(problem.code, error)
    this.#end()
    const answer = (): void => {
      if (!res.destroyed) sendProblem(res, problem, this.#options)
    }
    // Given back before the answer, so that the same credential works again at once.
    if (this.#held === null) answer()
    else void this.#release().then(answer)
  }

  #commit(): void {
    const held = this.#held
    this.#held = null
    held?.commit().catch(this.#options.onFault.bind(undefined, 'store_unavailable'))
  }

  /** Gives the use back; waits for it, but not for long. */
  async #release(): Promise<void> {
    const held = this.#held
    if (held === null) return
    this.#held = null
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RELEASE_WAIT_MS)
    })
    const released = held.release().catch(this.#options.onFault.bind(undefined, 'store_unavailable'))
    await Promise.race([released, enough])
    clearTimeout(timer)
  }

  /** Nothing more is wanted from the upstream. */
  #end(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    clearTimeout(this.#timer)
    // The paused connection of a client that left would never be read again and freeze its place in the pool.
    this.#abort?.(new Error('the exchange is over'))
    this.#body?.destroy()
  }
}

function expire(exchange: Exchange): void {
  exchange.expire()
}

function flush(exchange: Exchange): void {
  exchange.flushHead()
}

function pairs(raw: readonly unknown[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([latin1(raw[i]), latin1(raw[i + 1])])
  return out
}

function latin1(text: unknown): string {
  return Buffer.isBuffer(text) ? text.toString('latin1') : String(text)
}
