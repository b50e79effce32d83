import {
  type Charge,
  type Entitlement,
  isSessionStream,
  SessionStream,
  type SessionStreamOptions,
  type Settlement,
  type StreamEnd,
} from '@turnpike/l402/server'
import type { HeaderEdits } from './header-edits.ts'
import { KeptAnswer } from './kept-answer.ts'
import { Measuring } from './measuring.ts'
import { latin1Lines } from './raw-lines.ts'
import { UsageTail } from './usage-tail.ts'

/** What is to be settled, and who is told. */
export interface SettlingOptions {
  readonly entitlement: Entitlement
  /** Of a metered route. */
  readonly charge: Charge | undefined
  /** What the operator sets and removes in the answer's header lines. */
  readonly answerEdits?: HeaderEdits | undefined
  readonly method: string
  readonly onFault: (code: string, error: unknown) => void
  /** The answer must not go on; see `MeasuringOptions.onEnough`. */
  readonly onEnough: (why: 'exhausted' | 'store_unavailable') => void
}

// How long an answer waits for the books; they go on trying after that.
const WAIT_MS = 1_000

/**
 * What one request holds on its credential, and what its answer comes to. Ended exactly once (protocol §5 rule 3); whatever
 * comes after that does nothing.
 */
export class Settling {
  readonly #options: SettlingOptions
  readonly #measuring: Measuring | null
  readonly #kept: KeptAnswer | null
  readonly #usage: UsageTail | null
  #stream: SessionStream | null = null
  #served = false
  #ended = false

  constructor(options: SettlingOptions) {
    const { entitlement, charge, method, onFault, onEnough } = options
    this.#options = options
    this.#measuring =
      charge === undefined
        ? null
        : new Measuring({
            charge,
            entitlement,
            method,
            onFault: onFault.bind(undefined, 'store_unavailable'),
            onEnough,
          })
    this.#usage = entitlement.usage === undefined ? null : new UsageTail(entitlement.usage)
    this.#kept =
      entitlement.keepBytes === null ? null : new KeptAnswer(entitlement.keepBytes, options.answerEdits)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Whether the answer is to be kept, and still can be. */
  get keeps(): boolean {
    return !this.#ended && this.#kept?.wanted === true
  }

  /** So many more bytes of the request's body went to the upstream. */
  requestSent(bytes: number): void {
    this.#measuring?.request(bytes)
  }

  /** The upstream's answer begins. */
  head(status: number, raw: readonly Buffer[]): void {
    this.#measuring?.head(status, raw)
    this.#usage?.head(status, raw)
    this.#kept?.head(status, raw)
  }

  body(chunk: Buffer): void {
    this.#measuring?.body(chunk, this.#served)
    this.#usage?.body(chunk)
    this.#kept?.body(chunk)
  }

  /**
   * The answer as a stream of a session's events, where it is one: then its body goes there and not to {@link body}. Asked once,
   * after {@link head}.
   */
  stream(
    status: number,
    raw: readonly Buffer[],
    { send, onCut }: Pick<SessionStreamOptions, 'send' | 'onCut'>,
  ): SessionStream | null {
    const { entitlement, method, onFault } = this.#options
    const { session } = entitlement
    if (session === undefined || !isSessionStream(entitlement, { method, status, headers: latin1Lines(raw) }))
      return null
    this.#stream = new SessionStream({
      session,
      entitlement,
      metering: this.#measuring?.metering ?? null,
      send: (bytes, own) => {
        if (!own) this.#resourceSent(bytes)
        send(bytes, own)
      },
      onCut,
      onFault: onFault.bind(undefined, 'store_unavailable'),
    })
    return this.#stream
  }

  #resourceSent(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#usage?.body(chunk)
    this.#kept?.body(chunk)
  }

  /** The answer ends with trailers, which are not kept; so it is not either. */
  trailers(): void {
    this.#kept?.drop()
  }

  /** Tells the books that serving begins. Throws `store_unavailable`: then nothing may be served. */
  async serve(): Promise<void> {
    await this.#options.entitlement.serve()
    this.#served = true
  }

  /** The answer is whole. What the client must wait for until it gets the last of it; `null`: nothing. */
  whole(): Promise<void> | null {
    const answer = this.#kept?.whole()
    if (!this.#ended) this.#usage?.end(true)
    const done = this.#commit(this.#measuring?.end(true), answer)
    // One that is sent again at once must find its answer.
    return this.#kept === null ? null : atMost(done)
  }

  /** The stream is whole. What the client waits for until it gets the receipt. */
  streamed({ costMsat, done }: StreamEnd): Promise<void> {
    this.#resourceSent(done)
    const answer = this.#kept?.whole()
    if (!this.#ended) this.#usage?.end(true)
    return atMost(this.#commit(costMsat, answer))
  }

  /** The client left although it was to be served, or is not served on. */
  left(): void {
    if (!this.#ended) this.#usage?.end(false)
    void this.#commit(this.#stream === null ? this.#measuring?.end(false) : this.#stream.cut())
  }

  /** The upstream broke off an answer that had begun: what is certain is charged, and nothing that was only estimated. */
  brokeOff(): void {
    const certainMsat = (this.#stream ?? this.#measuring)?.certain() ?? 0n
    if (certainMsat > 0n) {
      if (!this.#ended) this.#usage?.end(false)
      void this.#commit(certainMsat)
    } else void this.release()
  }

  /** The upstream says at the end, before any of its answer, that it failed. What the client must wait for. */
  async failed(): Promise<void> {
    const certainMsat = this.#measuring?.certain() ?? 0n
    if (certainMsat === 0n) return this.release()
    if (!this.#ended) this.#usage?.end(false)
    await atMost(this.#commit(certainMsat))
  }

  /** Gives the use back (rule 4); waits for it, but not for long. */
  async release(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#usage?.end(false)
    await atMost(this.#options.entitlement.release().catch(this.#failed))
  }

  async #commit(costMsat?: bigint, answer?: Settlement['answer']): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const { entitlement } = this.#options
    const settlement = {
      ...(costMsat === undefined ? {} : { costMsat }),
      ...(answer === undefined ? {} : { answer }),
    }
    await entitlement.commit(settlement).catch(this.#failed)
  }

  readonly #failed = (error: unknown): void => this.#options.onFault('store_unavailable', error)
}

async function atMost(done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, WAIT_MS)
  })
  await Promise.race([done, enough])
  clearTimeout(timer)
}
