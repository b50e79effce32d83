/**
 * The event stream of a session's request (draft-lightning-session-00, Streaming): each event goes out when the balance
 * covers it. Where it does not, the client is asked for a top-up and the stream waits; at its end there is a receipt.
 */

import { concatBytes, joinBytes } from '../../../../core/bytes.ts'
import type { HeaderLines } from '../../../../core/header-lines.ts'
import type { Entitlement, StreamSession } from '../../../gate.ts'
import type { Charge } from '../../../metering/charge.ts'
import { isEventStream } from '../../../metering/content.ts'
import { type EventPiece, eventSplitter } from '../../../metering/event-splitter.ts'
import type { Meter } from '../../../metering/meter.ts'
import type { PausableClock } from '../../../metering/pausable-clock.ts'
import { unref } from '../../../unref.ts'
import { needTopUp, receiptEvent, STILL_HERE, timedOut } from './stream-events.ts'

/** Whether an answer is one that {@link SessionStream} is for: server-sent events, without a content coding. */
export function isSessionStream(
  { session }: Pick<Entitlement, 'session'>,
  {
    method,
    status,
    headers,
  }: { readonly method: string; readonly status: number; readonly headers: HeaderLines },
): boolean {
  return session !== undefined && method !== 'HEAD' && status === 200 && isEventStream(headers)
}

/** What measures the events of a metered route. */
export interface StreamMetering {
  readonly meter: Meter
  readonly charge: Pick<Charge, 'estimateMsat' | 'byHandler' | 'requestByte'>
  /** The meter's; it stands still while the stream waits. */
  readonly clock: Pick<PausableClock, 'pause' | 'resume'>
}

/** What a stream is made of. */
export interface SessionStreamOptions {
  readonly session: StreamSession
  readonly entitlement: Pick<Entitlement, 'draw'>
  /** `null`: the request is one call of a bundle, however much it says. */
  readonly metering: StreamMetering | null
  /** Sends what may go out by now. `own`: an event of the session's, and none of the resource's. */
  readonly send: (bytes: Uint8Array, own: boolean) => void
  /**
   * The stream ends before its time, and nothing more goes out. `timeout`: nobody has topped up, and the client was told so;
   * `exhausted`: it could not be told, in the middle of an event or because it has left; `store_unavailable`: the books were
   * out of reach.
   */
  readonly onCut: (why: 'timeout' | 'exhausted' | 'store_unavailable') => void
  /** The books could not be written; told once until they can again. */
  readonly onFault?: (error: unknown) => void
  /** How long it waits for a top-up, in milliseconds; a minute if left out. */
  readonly waitMs?: number
  /** How often it looks for one, in milliseconds. */
  readonly lookMs?: number
}

/** What goes out when the use is settled. */
export interface StreamEnd {
  /** What it has cost, in msat; `undefined` on a route that is not metered. */
  readonly costMsat: bigint | undefined
  readonly receipt: Uint8Array
  /** The resource's own `[DONE]`, which comes after the receipt; empty where it has none. */
  readonly done: Uint8Array
}

const WAIT_MS = 60_000
const LOOK_MS = 500
const STILL_HERE_EVERY_MS = 15_000
// For how long a stream waits that cannot be charged (protocol §5 rule 9: never free).
const PATIENCE_MS = 30_000
const BLANK_LINE = Uint8Array.of(10, 10)
// Of the resource's own end and what comes behind it; one that goes on for longer has not ended.
const MOST_DONE_BYTES = 4_096

/** A piece on its way out. */
interface Queued extends EventPiece {
  /** Bytes at its end that are none of the resource's. */
  readonly addedBytes?: number
  /** What the handler had said of the cost when it wrote the piece, where it is the one who says. */
  readonly saidMsat?: bigint
}

/** See the file's comment. Drawn on in steps of the route's estimate, each before the events that it pays for. */
export class SessionStream {
  readonly #options: SessionStreamOptions
  readonly #splitter = eventSplitter()
  readonly #queue: Queued[] = []
  #running: Promise<void> | undefined
  #over = false
  #alone = false
  #midEvent = false
  #flowed = false
  #done: EventPiece | undefined
  #units = 0
  /** What is reserved of the balance or drawn from it. */
  #coveredMsat: bigint
  /** Another request was quicker, so a part of what was missing is drawn already: the books alone know how much. */
  #outrun = false
  /** Of what has gone out. */
  #deliveredMsat = 0n
  /** With the first piece of the queue, once it is measured. */
  #nextMsat: bigint | undefined

  constructor(options: SessionStreamOptions) {
    this.#options = options
    this.#coveredMsat = options.metering?.charge.estimateMsat ?? 0n
  }

  /**
   * A piece of the resource's answer. Answers `undefined` where all of it went out as far as it is whole; else a promise that
   * resolves when it did, or when the stream is over. The resource is best not read on meanwhile.
   */
  push(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#over) return undefined
    for (const piece of this.#splitter.push(chunk)) this.#enqueue(piece)
    this.#options.session.touch()
    return this.#goOn()
  }

  /** Whether something that was pushed has not gone out yet. */
  get waits(): boolean {
    return this.#running !== undefined
  }

  /** The resource's answer is whole. `undefined`: the stream was cut meanwhile. */
  async finish(): Promise<StreamEnd | undefined> {
    const rest = this.#splitter.rest()
    // Closed, so that what follows is an event of its own.
    if (rest !== undefined)
      this.#enqueue({ ...rest, bytes: concatBytes(rest.bytes, BLANK_LINE), addedBytes: BLANK_LINE.length })
    await this.#goOn()
    if (this.#over) return undefined
    const { session, metering } = this.#options
    const costMsat = metering?.meter.end(true)
    // What only its end tells is taken as far as it is there.
    if (costMsat !== undefined && costMsat > this.#coveredMsat)
      await this.#options.entitlement.draw(costMsat).then(
        (all) => {
          if (all) this.#coveredMsat = costMsat
        },
        (error: unknown) => this.#options.onFault?.(error),
      )
    if (this.#over) return undefined
    this.#over = true
    const paidMsat = costMsat !== undefined && costMsat < this.#coveredMsat ? costMsat : this.#coveredMsat
    const spentMsat = session.worthMsat(metering === null ? 1n : paidMsat)
    const receipt = receiptEvent(session, { spentMsat, units: this.#units, nowMs: Date.now() })
    return { costMsat, receipt, done: this.#done?.bytes ?? new Uint8Array() }
  }

  /** The client has left, but the answer is read on for when it asks again: there is nobody to ask for a top-up. */
  goOnAlone(): void {
    this.#alone = true
  }

  /** What is charged of a stream that ends here; `undefined` on a route that is not metered. Nothing goes out any more. */
  cut(): bigint | undefined {
    this.#over = true
    const { metering } = this.#options
    if (metering === null) return undefined
    // The work was done all the same (protocol §5 rule 4).
    if (!this.#flowed) return metering.charge.estimateMsat
    // What was measured, or said, and has not gone out is not charged.
    const waiting = (this.#nextMsat ?? this.#deliveredMsat) - this.#deliveredMsat
    const costMsat = metering.meter.end(false) - waiting
    if (this.#queue[0]?.saidMsat !== undefined) return this.#deliveredMsat
    return costMsat > this.#deliveredMsat ? costMsat : this.#deliveredMsat
  }

  /** What is certain to have been served of one that broke off. Nothing goes out any more. */
  certain(): bigint {
    this.#over = true
    return this.#deliveredMsat
  }

  #enqueue(piece: Queued): void {
    const { meter, charge } = this.#options.metering ?? {}
    // What is said after it is for what comes then.
    this.#queue.push(charge?.byHandler === true ? { ...piece, saidMsat: meter?.soFarMsat ?? 0n } : piece)
  }

  #goOn(): Promise<void> | undefined {
    if (this.#running !== undefined) return this.#running
    if (this.#letOut()) return undefined
    this.#running = this.#payAndLetOut()
    return this.#running
  }

  async #payAndLetOut(): Promise<void> {
    try {
      do {
        if (!(await this.#cover(this.#nextMsat ?? 0n))) return
      } while (!this.#letOut())
    } finally {
      // In the same step as the last look at the queue: what comes after it begins anew.
      this.#running = undefined
    }
  }

  /** Lets out what is covered. Answers whether nothing is left. */
  #letOut(): boolean {
    const out: Uint8Array[] = []
    while (!this.#over) {
      const piece = this.#queue[0]
      if (piece === undefined) break
      this.#nextMsat ??= this.#measure(piece)
      if (this.#nextMsat > this.#coveredMsat) break
      this.#queue.shift()
      this.#deliveredMsat = this.#nextMsat
      this.#nextMsat = undefined
      this.#accept(piece, out)
    }
    const [first, ...more] = out
    if (first !== undefined) this.#options.send(more.length === 0 ? first : joinBytes(out), false)
    return this.#over || this.#queue.length === 0
  }

  /** What the answer costs with this piece. */
  #measure({ bytes, addedBytes = 0, saidMsat }: Queued): bigint {
    const { metering } = this.#options
    if (metering === null) return 0n
    metering.meter.body(bytes, bytes.length - addedBytes)
    return saidMsat ?? metering.meter.soFarMsat
  }

  #accept(piece: EventPiece, out: Uint8Array[]): void {
    this.#flowed = true
    // The last word is the receipt's, but for the resource's own `[DONE]` and the blanks behind it.
    const doneBytes = (this.#done?.bytes.length ?? 0) + piece.bytes.length
    if (this.#done !== undefined && piece.kind === 'other' && doneBytes <= MOST_DONE_BYTES) {
      this.#done = { ...piece, bytes: concatBytes(this.#done.bytes, piece.bytes) }
      return
    }
    if (this.#done !== undefined) out.push(this.#done.bytes)
    this.#done = piece.kind === 'done' ? piece : undefined
    this.#midEvent = piece.kind === 'part'
    if (piece.kind === 'data') this.#units++
    if (piece.kind !== 'done') out.push(piece.bytes)
  }

  /** Gets so much covered, waiting for a top-up where it takes one. Answers false where the stream is over. */
  async #cover(costMsat: bigint): Promise<boolean> {
    const { clock } = this.#options.metering ?? {}
    clock?.pause()
    try {
      const taken = await this.#patiently(() => this.#take(costMsat))
      return taken === false ? await this.#awaitTopUp(costMsat) : taken === true
    } finally {
      clock?.resume()
    }
  }

  async #awaitTopUp(costMsat: bigint): Promise<boolean> {
    const { session, send, waitMs = WAIT_MS, lookMs = LOOK_MS } = this.#options
    if (this.#midEvent || this.#alone) return this.#end('exhausted')
    const requiredMsat = session.worthMsat(costMsat - this.#deliveredMsat)
    const now = (): number => performance.now()
    const until = now() + waitMs
    let saidAt = now()
    let standing = await this.#patiently(() => session.standing())
    if (standing === undefined) return false
    send(needTopUp(session, { ...standing, requiredMsat }), true)
    while (standing.open && now() < until) {
      await pause(lookMs)
      if (this.#over) return false
      if (this.#alone) return this.#end('exhausted')
      session.touch()
      if ((await this.#patiently(() => this.#take(costMsat))) === true) return true
      standing = await this.#patiently(() => session.standing())
      if (standing === undefined) return false
      if (now() - saidAt < STILL_HERE_EVERY_MS) continue
      saidAt = now()
      send(STILL_HERE, true)
    }
    send(timedOut(session, { ...standing, requiredMsat }), true)
    return this.#end('timeout')
  }

  /**
   * Draws on the balance up to this cost, and by an estimate further where that is there. What does not suffice is left on the
   * balance, for other requests and for a refund. Throws `store_unavailable`.
   */
  async #take(costMsat: bigint): Promise<boolean> {
    const { session, entitlement, metering } = this.#options
    const leftMsat = await session.left()
    for (const wantedMsat of [costMsat + (metering?.charge.estimateMsat ?? 0n), costMsat]) {
      if (!this.#outrun && wantedMsat - this.#coveredMsat > leftMsat) continue
      if (await entitlement.draw(wantedMsat)) {
        this.#coveredMsat = wantedMsat
        return true
      }
      this.#outrun = true
    }
    return false
  }

  /** Asks the books until they answer. `undefined`: the stream is over. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T | undefined> {
    const until = performance.now() + PATIENCE_MS
    let told = false
    while (!this.#over) {
      try {
        const answer = await ask()
        return this.#over ? undefined : answer
      } catch (error) {
        if (this.#over) return undefined
        if (!told) this.#options.onFault?.(error)
        told = true
        if (performance.now() > until) this.#end('store_unavailable')
        else await pause(this.#options.lookMs ?? LOOK_MS)
      }
    }
    return undefined
  }

  #end(why: Parameters<SessionStreamOptions['onCut']>[0]): false {
    if (!this.#over) this.#options.onCut(why)
    this.#over = true
    return false
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    unref(setTimeout(resolve, ms))
  })
}
