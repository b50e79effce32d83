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
 * - `settling` the entitlement; the upstream has answered and is paused
 * - `streaming` the answer
 * - `over`: what the upstream still does is of no interest
 */
type Phase = 'waiting' | 'settling' | 'streaming' | 'over'

// How long an answer waits for a use to be given back; the ledger goes on trying after that.
const RELEASE_WAIT_MS = 1_000
const NO_LINES: HeaderLines = []
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * One request at the upstream, as undici's dispatch handler with raw headers. Every entitlement that comes in here is
 * settled once: committed before the first byte of an answer below 500 goes out, released in every other case
 * (protocol §5 rules 3 and 4).
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #body: RequestBody | null
  #phase: Phase = 'waiting'
  #timer: NodeJS.Timeout | undefined
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  // Set while settling: the answer that waits, and how the upstream went on in the meantime.
  #answer: { status: number; text: string; lines: AnswerLines } | undefined
  #upstreamEnd: 'complete' | 'failed' | undefined
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
    // While settling, the commit stands or fails by itself.
    if (phase === 'waiting') void this.#options.entitlement?.release()
  }

  /** No byte came in time. */
  expire(): void {
    if (this.#phase !== 'waiting') return
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
    clearTimeout(this.#timer)
    this.#resume = resume
    const { entitlement, crossOrigin } = this.#options
    const lines = answerLines(raw, status, entitlement?.answerHeaders ?? NO_LINES, crossOrigin)
    const text = STATUS_TEXT.test(statusText) ? statusText : ''
    if (entitlement === null || !entitlement.counted) {
      this.#begin(status, text, lines)
      return true
    }
    this.#phase = 'settling'
    this.#answer = { status, text, lines }
    const settled = status >= 500 ? releaseSoon(entitlement) : entitlement.commit()
    settled.then(
      () => this.#settled(),
      (error: unknown) => this.#commitFailed(entitlement, error),
    )
    return false
  }

  onData(chunk: Buffer): boolean {
    if (this.#phase !== 'streaming') return true
    const { res } = this.#options
    this.#flushed = true
    if (this.#left >= 0) {
      this.#left -= chunk.length
      if (this.#left === 0) {
        this.#phase = 'over'
        res.end(chunk)
        return true
      }
    }
    if (res.write(chunk)) return true
    res.once('drain', () => this.#resume?.())
    return false
  }

  onComplete(trailers: unknown): void {
    if (this.#phase === 'settling') this.#upstreamEnd = 'complete'
    if (this.#phase !== 'streaming') return
    const { res } = this.#options
    this.#phase = 'over'
    if (res.chunkedEncoding && Array.isArray(trailers) && trailers.length > 0)
      res.addTrailers(pairs(trailers))
    res.end()
  }

  onError(error: Error): void {
    const { res, onFault } = this.#options
    switch (this.#phase) {
      case 'waiting':
        if (this.#body?.cut === true) {
          this.clientGone()
          res.destroy()
          return
        }
        this.#fail(upstreamFault(error), error)
        break
      case 'settling':
        this.#upstreamEnd = 'failed'
        break
      case 'streaming':
        // Never a clean end: the client must see that the answer is not whole.
        onFault('upstream_broke_off', error)
        this.#end()
        res.destroy()
    }
  }

  // ---- the client's side

  #begin(status: number, text: string, { lines, length }: AnswerLines): void {
    const { res, onFault } = this.#options
    this.#phase = 'streaming'
    try {
      res.writeHead(status, text, lines)
    } catch (error) {
      // A header or status that Node will not send.
      onFault('upstream_invalid', error)
      this.#end()
      sendProblem(res, upstreamFault(error))
      return
    }
    this.#left = length > 0 ? length : -1
    // The first bytes of a body mostly follow at once and share a packet; a stream's head must not wait for them.
    process.nextTick(flush, this)
  }

  flushHead(): void {
    if (!this.#flushed && this.#phase === 'streaming') this.#options.res.flushHeaders()
  }

  #settled(): void {
    const answer = this.#answer
    if (this.#phase !== 'settling' || answer === undefined) return
    if (this.#upstreamEnd === 'failed') {
      this.#end()
      this.#options.res.destroy()
      return
    }
    this.#begin(answer.status, answer.text, answer.lines)
    if (this.#upstreamEnd === 'complete') this.onComplete(null)
    else this.#resume?.()
  }

  #commitFailed(entitlement: Entitlement, error: unknown): void {
    void entitlement.release()
    this.#options.onFault('store_unavailable', error)
    if (this.#phase !== 'settling') return
    this.#end()
    sendProblem(
      this.#options.res,
      {
        code: 'store_unavailable',
        detail: 'the use could not be recorded; nothing was charged',
        lines: ['Retry-After', '5'],
      },
      this.#options,
    )
  }

  #fail(problem: OwnProblem, error?: Error): void {
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
