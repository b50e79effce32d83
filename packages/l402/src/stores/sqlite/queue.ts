import { L402Error } from '../../core/errors.ts'
import { type BatchListener, timeBatch } from '../lib/batches.ts'
import { AnswerReader } from './answers.ts'
import { BatchWriter } from './batch.ts'
import type { EngineThread } from './thread.ts'
import type { Reply } from './worker.ts'

interface Pending {
  readonly settle: (answers: AnswerReader) => void
  readonly reject: (error: L402Error) => void
}

/** What a queue works with. */
export interface BatchQueueOptions {
  readonly thread: EngineThread
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Sees every reply before those that wait for it. */
  readonly learn: (reply: Reply | L402Error) => void
  readonly onBatch: BatchListener | undefined
}

/** Gathers what is asked while a batch is on its way, and sends it as the next one (group commit). */
export class BatchQueue {
  readonly #options: BatchQueueOptions
  readonly #writer = new BatchWriter()
  #pending: Pending[] = []
  /** A batch is on its way, or the turn of the event loop that sends it. */
  #busy = false
  #closed = false

  constructor(options: BatchQueueOptions) {
    this.#options = options
  }

  /** `write` may throw; then nothing is queued, and the promise is rejected with what it threw. */
  ask<T>(write: (writer: BatchWriter) => void, read: (answers: AnswerReader) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new L402Error('store_unavailable', 'the ledger is closed')
      this.#writer.whole(write)
      this.#pending.push({ settle: (answers) => resolve(read(answers)), reject })
      if (!this.#busy) this.#flushSoon()
    })
  }

  /** Sends what is queued; takes nothing more. */
  close(): void {
    this.#closed = true
    this.#flush()
  }

  /** The rest of this turn of the event loop joins the batch. */
  #flushSoon(): void {
    this.#busy = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    const batch = this.#pending
    this.#busy = batch.length > 0
    if (!this.#busy) return
    this.#pending = []
    const { thread, now, learn, onBatch } = this.#options
    const done = timeBatch(onBatch, batch.length)
    thread.send({ do: 'batch', batch: this.#writer.take(), nowMs: now() }, (reply) => {
      learn(reply)
      done()
      settleAll(batch, reply)
      this.#flushSoon()
    })
  }
}

function settleAll(batch: readonly Pending[], reply: Reply | L402Error): void {
  if (reply instanceof L402Error || reply.answers === undefined) {
    const error =
      reply instanceof L402Error
        ? reply
        : new L402Error('store_unavailable', `the ledger could not be written: ${reply.fault}`)
    for (const { reject } of batch) reject(error)
    return
  }
  const answers = new AnswerReader(reply.answers)
  for (const { settle } of batch) settle(answers)
}
