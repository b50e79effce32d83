import type { Duplex } from 'node:stream'
import type { HeaderLines } from '@turnpike/l402'
import { answerLines, withoutLength } from './answer-lines.ts'
import { type OwnProblem, sendProblem } from './answers.ts'
import { sendHints } from './early-hints.ts'
import { EventAnswer } from './event-answer.ts'
import type { ExchangeOptions, Phase } from './exchange-options.ts'
import { isGrpcFault } from './grpc.ts'
import { Outgoing } from './outgoing.ts'
import { BOOKS_DOWN, bodyTooLarge } from './own-problems.ts'
import { latin1Pairs } from './raw-lines.ts'
import { RequestBody } from './request-body.ts'
import { Sending } from './sending.ts'
import { Settling } from './settling.ts'
import { openTunnel, type Upgrade } from './tunnel.ts'
import { upstreamFault, upstreamTimeout } from './upstream-faults.ts'
import type { Upstream, UpstreamHandler } from './upstream-pools.ts'

// Answers of a known length up to this go out whole or not at all.
const GATHER_BYTES = 65_536
const NO_LINES: HeaderLines = []

/**
 * One request at the upstream, as undici's dispatch handler with raw headers. What is held on a credential is told to the
 * books before the first byte of an answer below 500 goes out, and then ended once: committed when the answer has ended, or
 * when the client left although bytes had gone out or the upstream had its whole request (else a client could have work
 * done and not pay for it by leaving early); released in every other case (protocol §5 rules 3 and 4).
 */
export class Exchange implements UpstreamHandler {
  readonly #options: ExchangeOptions
  readonly #body: RequestBody | null
  readonly #settling: Settling | null
  readonly #answer: Outgoing
  #phase: Phase = 'waiting'
  #timer: NodeJS.Timeout | undefined
  #abort: ((error?: Error) => void) | undefined
  #resume = (): void => {}
  #upstreamEnd: 'complete' | Error | undefined
  #sending: Sending | undefined
  // Where the answer is the event stream of a session.
  #events: EventAnswer | undefined
  // Whether the upstream has the whole request.
  #delivered = false
  // The client has left, and the answer is read for when it asks again.
  #alone = false
  // The head of a gRPC answer says that the upstream failed.
  #faulty = false
  #answered = false
  #breakTunnel: (() => void) | undefined

  constructor(options: ExchangeOptions) {
    const { req, res, entitlement, charge, body, onFault } = options
    this.#options = options
    this.#body = body === 'streamed' ? new RequestBody(req, options.bodyLimit) : null
    this.#answer = new Outgoing(res)
    this.#settling =
      entitlement?.counted === true
        ? new Settling({
            entitlement,
            charge,
            answerEdits: options.answerEdits,
            method: req.method ?? 'GET',
            onFault,
            onEnough: (why) => this.#cut(why),
          })
        : null
  }

  /** Sends the request on. */
  dispatch(upstream: Upstream, path: string, lines: string[]): void {
    const { req, timeoutMs, body, upgrade } = this.#options
    const { method = 'GET' } = req
    const request = { path, method, headers: lines, body: body === 'streamed' ? this.#body : body }
    this.#sending = new Sending(
      upstream,
      upgrade === undefined ? request : { ...request, upgrade: 'websocket' },
    )
    this.#timer = setTimeout(expire, timeoutMs, this)
    this.#sending.send(this)
  }

  /** The client's connection is gone. */
  clientGone(): void {
    if (this.#phase === 'over') return
    if (this.#delivered && this.#settling?.keeps === true) {
      // It may come again, and then gets the answer that it has paid for (rule 10).
      this.#alone = true
      this.#answer.gone()
      this.#events?.goOnAlone()
      if (this.#phase === 'streaming') this.#goOnAlone()
    } else this.#stop()
  }

  /** No byte came in time, or an answer that is gathered, or read for later, did not come whole in time. */
  expire(): void {
    if (this.#phase === 'streaming') this.#stop()
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
    this.#sending?.connected()
  }

  onBodySent(chunk: unknown): void {
    if (chunk instanceof Uint8Array) this.#settling?.requestSent(chunk.length)
    // The upstream's time starts when it has what it needs.
    if (this.#phase === 'waiting') this.#timer?.refresh()
  }

  onRequestSent(): void {
    this.#delivered = true
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200 || this.#phase !== 'waiting') {
      if (status === 103 && this.#phase === 'waiting') sendHints(this.#options.res, raw)
      return true
    }
    this.#resume = resume
    this.#options.onAnswered?.()
    this.#faulty = this.#options.grpc && isGrpcFault(raw)
    this.#settling?.head(status, raw)
    const { req, entitlement, crossOrigin, answerEdits: edits } = this.#options
    const extra = entitlement?.answerHeaders ?? NO_LINES
    const all = answerLines(raw, status, { extra, crossOrigin, edits })
    // Its length is not known any more.
    const isEvents = entitlement?.session !== undefined && this.#isEventAnswer(status, raw)
    const lines = isEvents ? withoutLength(all) : all
    this.#answer.head(status, statusText, lines)
    const bodiless = req.method === 'HEAD' || status === 204 || status === 304
    if (lines.length > 0 && lines.length <= GATHER_BYTES && !bodiless) {
      this.#phase = 'gathering'
      return true
    }
    return this.#open()
  }

  /** The upstream takes the other protocol: the call counts from here on. */
  onUpgrade(_status: number, raw: Buffer[] | string[] | null, upstream: Duplex): void {
    const { res, upgrade, entitlement } = this.#options
    clearTimeout(this.#timer)
    upstream.on('error', () => {})
    if (this.#phase !== 'waiting' || upgrade === undefined) {
      upstream.destroy()
      return
    }
    this.#phase = 'opening'
    this.#breakTunnel = () => void upstream.destroy()
    const head = (raw ?? []).map((text) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text))
    this.#settling?.head(101, head)
    const extra = entitlement?.answerHeaders ?? NO_LINES
    const { lines } = answerLines(head, 101, { extra, crossOrigin: false, edits: this.#options.answerEdits })
    const begin = (): void => {
      if (this.#phase !== 'opening') return
      this.#phase = 'streaming'
      try {
        res.writeHead(101, [...lines, 'Connection', 'Upgrade', 'Upgrade', 'websocket'])
        res.end()
      } catch (error) {
        // A header that Node will not send: nothing has gone out, so nothing is charged (protocol §5 rule 4).
        this.#options.onFault('upstream_invalid', error)
        void this.#settling?.release()
        this.#end()
        upgrade.socket.destroy()
        return
      }
      this.#joinTunnel(upgrade, upstream)
    }
    if (this.#settling === null) begin()
    else this.#settling.serve().then(begin, (error: unknown) => this.#booksFailed(error))
  }

  onData(chunk: Buffer): boolean {
    this.#answered = true
    if (this.#phase === 'gathering') {
      this.#settling?.body(chunk)
      this.#answer.gather(chunk)
    }
    if (this.#phase !== 'streaming') return true
    if (this.#events !== undefined) return this.#events.push(chunk)
    this.#settling?.body(chunk)
    if (this.#alone) {
      if (this.#settling?.keeps !== true) this.#stop()
      return true
    }
    if (!this.#answer.completes(chunk)) return this.#answer.write(chunk, this.#resume)
    this.#finish(chunk)
    return true
  }

  onComplete(trailers: unknown): void {
    const lines = Array.isArray(trailers) && trailers.length > 0 ? latin1Pairs(trailers) : undefined
    if (lines !== undefined) this.#settling?.trailers()
    // It has failed before its first message (protocol §5 rule 4).
    if (this.#options.grpc && !this.#answered && Array.isArray(trailers))
      this.#faulty ||= isGrpcFault(trailers)
    if (this.#phase === 'streaming') this.#finish(undefined, lines)
    else this.#upstreamEnd = 'complete'
    if (this.#phase === 'gathering') this.#open()
  }

  onError(error: Error): void {
    const { res, onFault } = this.#options
    if (this.#phase === 'over') return
    if (this.#body?.tooLong === true && (this.#phase === 'waiting' || this.#phase === 'gathering')) {
      res.shouldKeepAlive = false
      this.#fail(bodyTooLarge(this.#options.bodyLimit), error)
    } else if (this.#body?.cut === true) {
      this.#stop()
      res.destroy()
    } else if (this.#phase === 'waiting' && this.#sending?.sendAgain(error, this) === true) {
      this.#delivered = false
    } else if (this.#phase === 'waiting' || this.#phase === 'gathering')
      this.#fail(upstreamFault(error), error)
    else if (this.#phase === 'opening') this.#upstreamEnd = error
    else {
      // Never a clean end: the client must see that the answer is not whole.
      onFault('upstream_broke_off', error)
      this.#settling?.brokeOff()
      this.#end()
      res.destroy()
    }
  }

  // ---- the client's side

  #joinTunnel({ socket, first, over }: Upgrade, upstream: Duplex): void {
    if (first.length > 0) {
      this.#settling?.requestSent(first.length)
      upstream.write(first)
    }
    this.#breakTunnel = openTunnel({
      client: socket,
      upstream,
      fromClient: (chunk) => this.#settling?.requestSent(chunk.length),
      fromUpstream: (chunk) => this.#settling?.body(chunk),
      over: () => {
        this.#phase = 'over'
        void this.#settling?.whole()
        over()
      },
    })
  }

  /** Tells the books before the first byte goes out. Answers whether the upstream may go on meanwhile. */
  #open(): boolean {
    clearTimeout(this.#timer)
    const settling = this.#settling
    if (settling === null) {
      this.#begin()
      return true
    }
    this.#phase = 'opening'
    const opened = this.#answer.status >= 500 || this.#faulty ? settling.release() : settling.serve()
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
    try {
      this.#answer.begin()
    } catch (error) {
      // A header or status that Node will not send.
      this.#fail(upstreamFault(error), error)
      return
    }
    this.#phase = 'streaming'
    if (this.#upstreamEnd === 'complete') this.#finish()
    else if (this.#alone) this.#goOnAlone()
    else {
      this.#resume()
      this.#answer.flushSoon()
    }
  }

  /** Reads the rest of an answer whose client has left, for as long as it might have taken to its first byte. */
  #goOnAlone(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(expire, this.#options.timeoutMs, this)
    this.#resume()
  }

  /** Whether the answer is the event stream of a session, which then goes its own way. */
  #isEventAnswer(status: number, raw: readonly Buffer[]): boolean {
    const stream = this.#settling?.stream(status, raw, {
      send: (bytes) => this.#events?.send(bytes),
      onCut: (why) => this.#cut(why),
    })
    if (stream === undefined || stream === null) return false
    this.#events = new EventAnswer(stream, this.#answer, this.#resume)
    return true
  }

  /** The last events, then the books, then the receipt and what the upstream calls the end. */
  async #finishEvents({ stream }: EventAnswer, trailers?: [name: string, value: string][]): Promise<void> {
    const end = await stream.finish()
    if (end === undefined || this.#phase !== 'streaming') return
    this.#phase = 'over'
    clearTimeout(this.#timer)
    await this.#settling?.streamed(end)
    this.#answer.end(Buffer.concat([end.receipt, end.done]), trailers)
  }

  /** The whole answer is there. */
  #finish(last?: Buffer, trailers?: [name: string, value: string][]): void {
    if (this.#events !== undefined) {
      void this.#finishEvents(this.#events, trailers)
      return
    }
    this.#phase = 'over'
    clearTimeout(this.#timer)
    const settled = (this.#faulty ? this.#settling?.failed() : this.#settling?.whole()) ?? null
    if (settled === null) this.#answer.end(last, trailers)
    else void settled.then(() => this.#answer.end(last, trailers))
  }

  #booksFailed(error: unknown): void {
    const { res, onFault } = this.#options
    onFault('store_unavailable', error)
    // Not waited for: the books are down, and go on trying by themselves.
    void this.#settling?.release()
    if (this.#phase !== 'opening') return
    this.#end()
    if (!res.destroyed) sendProblem(res, BOOKS_DOWN, this.#options)
  }

  #fail(problem: OwnProblem, error?: unknown): void {
    const { res, onFault } = this.#options
    onFault(problem.code, error)
    this.#end()
    const answer = (): void => {
      if (!res.destroyed) sendProblem(res, problem, this.#options)
    }
    // Given back before the answer, so that the same credential works again at once.
    if (this.#settling === null || this.#settling.ended) answer()
    else void this.#settling.release().then(answer)
  }

  /** The answer must not go on. The client must see that it is not whole: by an event that says so, or a broken connection. */
  #cut(why: 'timeout' | 'exhausted' | 'store_unavailable'): void {
    if (this.#phase !== 'streaming') return
    if (why !== 'store_unavailable') this.#options.onExhausted()
    this.#stop()
    if (why === 'timeout') this.#answer.end(undefined, undefined)
    else this.#options.res.destroy()
  }

  /** The client has left, or is served no more. */
  #stop(): void {
    if (this.#delivered || this.#phase === 'streaming') this.#settling?.left()
    else void this.#settling?.release()
    this.#end()
  }

  /** Nothing more is wanted from the upstream. */
  #end(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    clearTimeout(this.#timer)
    // The paused connection of a client that left would never be read again and freeze its place in the pool.
    this.#abort?.(new Error('the exchange is over'))
    this.#breakTunnel?.()
    this.#body?.destroy()
  }
}

function expire(exchange: Exchange): void {
  exchange.expire()
}
