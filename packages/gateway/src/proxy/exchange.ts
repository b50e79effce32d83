import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HeaderLines } from '@turnpike/l402'
import type { Entitlement } from '@turnpike/l402/server'
import type { Dispatcher } from 'undici'
import { type AnswerLines, answerLines } from './answer-lines.ts'
import { type OwnProblem, sendProblem } from './answers.ts'
import { RequestBody } from './request-body.ts'
import { upstreamFault, upstreamTimeout } from './upstream-faults.ts'

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
 * - `settling` the entitlement; nothing has gone out yet
 * - `streaming` the answer
 * - `over`: what the upstream still does is of no interest
 */
type Phase = 'waiting' | 'gathering' | 'settling' | 'streaming' | 'over'

// Answers of a known length up to this are sent whole or not at all.
const GATHER_BYTES = 65_536

// How long an answer waits for a use to be given back; the ledger goes on trying after that.
const RELEASE_WAIT_MS = 1_000
const NO_LINES: HeaderLines = []
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * One request at the upstream, as undici's dispatch handler with raw headers. Every entitlement that comes in here is
 * settled once: `serve` before the first byte of an answer below 500 goes out, `commit` when the answer has ended or the
 * client has left in the middle of it, `release` in every other case (protocol §5 rules 3 and 4).
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #body: RequestBody | null
  #phase: Phase = 'waiting'
  #timer: NodeJS.Timeout | undefined
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  // The answer that has not gone out yet, what there is of its body, and whether that is all.
  #answer: { status: number; text: string; lines: AnswerLines } | undefined
  #chunks: Buffer[] = []
  #upstreamEnd: 'complete' | Error | undefined
  // Bytes of the body still to come, where the upstream said how many; else -1.
  #left = -1
  #flushed = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#body = options.hasBody ? new RequestBody(options.req) : null
  }

  /** Sends the request on. */
  dispatch(pool: Dispatcher, path: string, lines: string[]): void {
    const { req, timeoutMs } = this.#options
    this.#timer = setTimeout(expire, timeoutMs, this)
    pool.dispatch({ path, method: req.method ?? 'GET', headers: lines, body: this.#body }, this)
  }

  /** The client's connection is gone. */
  clientGone(): void {
    const phase = this.#phase
    this.#end()
    if (phase === 'streaming') void this.#options.entitlement?.commit()
    else if (phase !== 'over') void this.#options.entitlement?.release()
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
  }

  onBodySent(): void {
    // The upstream's time starts when it has what it needs.
    if (this.#phase === 'waiting') this.#timer?.refresh()
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
    clearTimeout(this.#timer)
    return this.#settle(status)
  }

  onData(chunk: Buffer): boolean {
    if (this.#phase === 'gathering') {
      this.#chunks.push(chunk)
      return true
    }
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
        clearTimeout(this.#timer)
        this.#upstreamEnd = 'complete'
        this.#settle(this.#answer?.status ?? 0)
        break
      case 'settling':
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
    const { res, onFault, entitlement } = this.#options
    switch (this.#phase) {
      case 'waiting':
      case 'gathering':
        if (this.#body?.cut === true) {
          this.clientGone()
          res.destroy()
          return
        }
        this.#fail(upstreamFault(error), error)
        break
      case 'settling':
        this.#upstreamEnd = error
        break
      case 'streaming':
        // Never a clean end: the client must see that the answer is not whole. It keeps what it paid for.
        onFault('upstream_broke_off', error)
        this.#end()
        void entitlement?.release()
        res.destroy()
    }
  }

  // ---- the client's side

  #mayHaveBody(status: number): boolean {
    return this.#options.req.method !== 'HEAD' && status !== 204 && status !== 304
  }

  /** Settles the entitlement before the first byte goes out. Answers whether the upstream may go on meanwhile. */
  #settle(status: number): boolean {
    const { entitlement } = this.#options
    if (entitlement === null || !entitlement.counted) {
      this.#begin()
      return true
    }
    this.#phase = 'settling'
    const settled = status >= 500 ? releaseSoon(entitlement) : entitlement.serve()
    settled.then(
      () => this.#settled(),
      (error: unknown) => this.#serveFailed(error),
    )
    return false
  }

  #settled(): void {
    if (this.#phase !== 'settling') return
    if (this.#upstreamEnd instanceof Error) this.#fail(upstreamFault(this.#upstreamEnd), this.#upstreamEnd)
    else this.#begin()
  }

  #serveFailed(error: unknown): void {
    if (this.#phase !== 'settling') return
    const detail = 'the use could not be recorded; nothing was charged'
    this.#fail({ code: 'store_unavailable', detail, lines: ['Retry-After', '5'] }, error)
  }

  /** The head of the answer, and all of its body that is there. */
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

  flushHead(): void {
    if (!this.#flushed && this.#phase === 'streaming') this.#options.res.flushHeaders()
  }

  /** The whole answer has gone out. */
  #finish(last?: Buffer): void {
    const { res, entitlement } = this.#options
    this.#phase = 'over'
    if (last === undefined) res.end()
    else res.end(last)
    // A 5xx was released before it went out.
    if (entitlement?.counted === true && res.statusCode < 500) void entitlement.commit()
  }

  /** An answer of ours instead of the upstream's. */
  #fail(problem: OwnProblem, error?: unknown): void {
    const { res, entitlement, onFault } = this.#options
    onFault(problem.code, error)
    this.#end()
    const answer = (): void => {
      if (!res.destroyed) sendProblem(res, problem, this.#options)
    }
    // Given back before the answer, so that the same credential works again at once.
    if (entitlement?.counted === true) void releaseSoon(entitlement).then(answer)
    else answer()
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

async function releaseSoon(entitlement: Entitlement): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, RELEASE_WAIT_MS)
  })
  await Promise.race([entitlement.release(), enough])
  clearTimeout(timer)
}

function pairs(raw: readonly unknown[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([latin1(raw[i]), latin1(raw[i + 1])])
  return out
}

function latin1(text: unknown): string {
  return Buffer.isBuffer(text) ? text.toString('latin1') : String(text)
}
