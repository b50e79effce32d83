import { L402Error } from '../../core/errors.ts'
import { type BatchListener, timeBatch } from '../lib/batches.ts'
import type { Write } from './batch.ts'
import { unavailable } from './faults.ts'
import type { Line } from './line.ts'
import type { RevocationNews } from './revocation-news.ts'
import type { BatchReply, Books, Fault, PruneReply, Session } from './session.ts'

/** One operation of a batch. */
export interface Operation {
  /** Says it to the script; again when the owner's name has changed. */
  readonly write: Write
  readonly settle: (reply: BatchReply) => void
  readonly reject: (error: L402Error) => void
  /** What undoes it, for when nobody knows whether it was done. */
  readonly undo?: () => Write
  /** Whether somebody waits for it. */
  readonly asked: boolean
  /** Of what goes beside the batch. */
  readonly bytes?: number
}

/** A pruning, a call of its own. */
export interface Pruning {
  readonly skip: number
  readonly settle: (reply: PruneReply) => void
  readonly reject: (error: L402Error) => void
  readonly asked: boolean
}

/** How the queue behaves; see the options of the store. */
export interface QueueOptions {
  readonly now: () => number
  readonly maxBatch: number
  /** This owner was taken for dead and begins anew. */
  readonly onLapse: () => void
  readonly onBatch: BatchListener | undefined
}

/** Calls without an answer end the connection, so that there are hardly ever more than one call's worth. */
const ORPHANS_MAX = 16_384

/** Most that goes beside a batch, besides one attachment: it has to be sent and written in time. */
const ATTACHED_MAX = 2 ** 20

/**
 * Gathers what is asked in one turn of the event loop, or while a batch is on its way, into one call of the script; one
 * call at a time, in the order in which it was asked.
 */
export class Queue {
  readonly #books: Books
  readonly #line: Line
  readonly #session: Session
  readonly #news: RevocationNews
  readonly #options: QueueOptions
  #waiting: (Operation | Pruning)[] = []
  #busy = false
  #asked = 0
  /** What undoes calls that were never answered: they were perhaps made, and nobody knows of them. */
  #orphans: readonly Write[] = []
  #whyDown: unknown = 'it is not connected'

  constructor(
    { books, line, session, news }: { books: Books; line: Line; session: Session; news: RevocationNews },
    options: QueueOptions,
  ) {
    this.#books = books
    this.#line = line
    this.#session = session
    this.#news = news
    this.#options = options
  }

  /** The line is there again. */
  up(): void {
    this.#line.link?.hold(this.#asked > 0)
  }

  down(error: unknown): void {
    this.#whyDown = error
  }

  push(item: Operation | Pruning): void {
    this.#waiting.push(item)
    if (item.asked && ++this.#asked === 1) this.#line.link?.hold(true)
    if (this.#busy) return
    this.#busy = true
    // The rest of this turn of the event loop joins the batch.
    setImmediate(() => void this.#run())
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if ('write' in next) await this.#runBatch(this.#takeBatch())
      else await this.#runPruning(next)
    }
    this.#busy = false
  }

  #takeBatch(): readonly Operation[] {
    const batch: Operation[] = []
    let bytes = 0
    for (const item of this.#waiting) {
      if (!('write' in item) || batch.length >= this.#options.maxBatch || bytes > ATTACHED_MAX) break
      batch.push(item)
      bytes += item.bytes ?? 0
    }
    this.#waiting.splice(0, batch.length)
    return batch
  }

  async #runBatch(batch: readonly Operation[]): Promise<void> {
    const ended = timeBatch(this.#options.onBatch, batch.length)
    const outcome = await this.#call(batch)
    ended()
    this.#done(batch)
    if (outcome instanceof L402Error) for (const { reject } of batch) reject(outcome)
    else for (const { settle } of batch) settle(outcome)
  }

  async #runPruning(pruning: Pruning): Promise<void> {
    this.#waiting.shift()
    const { link } = this.#line
    const { skip } = pruning
    const reply: PruneReply | Fault =
      link === undefined
        ? { error: this.#down(), unknown: false }
        : await this.#session.prune(link, { skip, nowMs: this.#options.now() })
    this.#done([pruning])
    if ('error' in reply) pruning.reject(reply.error)
    else pruning.settle(reply)
  }

  #done(items: readonly { readonly asked: boolean }[]): void {
    this.#asked -= items.filter(({ asked }) => asked).length
    if (this.#asked === 0) this.#line.link?.hold(false)
  }

  #down(): L402Error {
    return unavailable(this.#books.target, this.#whyDown)
  }

  async #call(batch: readonly Operation[]): Promise<BatchReply | L402Error> {
    const { link } = this.#line
    if (link === undefined) return this.#down()
    const orphans = this.#orphans
    const writes = [...orphans, ...batch.map(({ write }) => write)]
    const about = { known: this.#news.known, nowMs: this.#options.now() }
    let reply = await this.#session.call(link, writes, about)
    if (reply === 'lapsed') {
      this.#session.beginAnew()
      this.#options.onLapse()
      reply = await this.#session.call(link, writes, about)
      if (reply === 'lapsed') return unavailable(this.#books.target, 'the lease was lost twice')
    }
    if ('error' in reply) {
      const undone = reply.unknown ? batch.flatMap(({ undo }) => (undo === undefined ? [] : [undo()])) : []
      this.#orphans = [...orphans, ...undone].slice(-ORPHANS_MAX)
      return reply.error
    }
    this.#orphans = []
    this.#news.learn(reply)
    return reply
  }
}
