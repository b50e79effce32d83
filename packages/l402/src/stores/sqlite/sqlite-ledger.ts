import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import type {
  CounterState,
  Ledger,
  NotReserved,
  Redemption,
  Reservation,
  ReserveRequest,
  RevocationTarget,
} from '../ledger.ts'
import { checkKey, checkReserve, lapsed } from '../lib/checks.ts'
import { type RevocationKind, RevocationSet, revocationOf } from '../lib/revocations.ts'
import { BatchWriter, Op } from './batch.ts'
import type { BatchAnswers } from './engine.ts'
import { becomeOwner, type Owner, sweepOwners } from './owners.ts'
import { ensureFile, openFault, prepareFile } from './schema.ts'
import { EngineThread } from './thread.ts'
import type { Reply } from './worker.ts'

/** Where the books are, and how patient they are. */
export interface SqliteStoreOptions {
  /** Path of the database; made (0600) if it is missing, in a folder that exists. Beside it: `-wal`, `-shm`, `.owner-*`. */
  readonly file: string
  /** Milliseconds since the epoch, for what is recorded; default `Date.now`. */
  readonly now?: () => number
  /** How long a lock of another process is waited for; default 5,000. */
  readonly busyTimeoutMs?: number
  /** How often revocations by other processes are looked for; default 500. */
  readonly pollMs?: number
  /** How often owners that died are looked for; default 5,000. */
  readonly sweepMs?: number
}

/**
 * Books in one SQLite file, which several processes of one machine may share. Calls made at about the same time
 * become durable in one transaction, in a thread of their own.
 *
 * Counters are kept for ever: one must outlive every token that names it, and a token need not end. About 60 bytes
 * for each credential that was ever used, and 100 for each payment.
 *
 * Throws `store_unavailable` when the file cannot be opened, `store_incompatible` when it is not a ledger or is one
 * of a newer version.
 *
 * @example
 * const ledger = sqliteStore({ file: 'turnpike.db' })
 */
export function sqliteStore(options: SqliteStoreOptions): Ledger {
  const { busyTimeoutMs = 5_000 } = options
  if (options.file === '' || options.file === ':memory:')
    throw new RangeError('sqliteStore needs the path of a file; memoryStore() keeps books in memory')
  // Absolute: the process may change its folder, and SQLite reads `file:…` names as URIs.
  const file = ensureFile(resolve(options.file))
  const revocations = new RevocationSet()
  let owner: Owner | undefined
  const db = prepareFile(file, busyTimeoutMs)
  try {
    owner = becomeOwner(db, file)
    sweepOwners(db, file, owner.id)
    loadRevocations(db, revocations)
  } catch (error) {
    owner?.drop()
    throw openFault(error, file)
  } finally {
    db.close()
  }
  return new SqliteLedger({ ...options, file }, owner, revocations)
}

function loadRevocations(db: DatabaseSync, revocations: RevocationSet): void {
  for (const row of db.prepare('SELECT kind, key FROM revocations').iterate())
    revocations.add(row['kind'] as RevocationKind, row['key'] as Uint8Array)
}

/** Reads the answers of a batch, one operation after the other. */
class Cursor {
  readonly #answers: BatchAnswers
  #at = 0

  constructor(answers: BatchAnswers) {
    this.#answers = answers
  }

  next(): bigint {
    return this.#answers[this.#at++] ?? 0n
  }

  states(count: number): CounterState[] {
    return Array.from({ length: count }, () => ({ used: this.next() }))
  }
}

interface Pending {
  readonly settle: (answers: Cursor) => void
  readonly reject: (error: L402Error) => void
}

class SqliteLedger implements Ledger {
  readonly #owner: Owner
  readonly #revocations: RevocationSet
  readonly #thread: EngineThread
  readonly #now: () => number
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #writer = new BatchWriter()
  #queue: Pending[] = []
  /** A batch is on its way, or the turn of the event loop that sends it. */
  #busy = false
  #closing: Promise<void> | undefined

  constructor(options: SqliteStoreOptions, owner: Owner, revocations: RevocationSet) {
    const { file, now = Date.now, busyTimeoutMs = 5_000, pollMs = 500, sweepMs = 5_000 } = options
    this.#owner = owner
    this.#revocations = revocations
    this.#now = now
    this.#thread = new EngineThread({ file, owner: owner.id, busyTimeoutMs })
    const every = (ms: number, what: 'poll' | 'sweep'): NodeJS.Timeout =>
      setInterval(() => this.#thread.send({ do: what }, (reply) => this.#learn(reply)), ms).unref()
    this.#timers = [every(pollMs, 'poll'), every(sweepMs, 'sweep')]
  }

  reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    const count = request.uses.length
    return this.#enqueue(
      (writer) => {
        checkReserve(request)
        writer.reserve(request)
      },
      (answers) => {
        const ok = answers.next() === 1n
        const value = answers.next()
        if (ok) return { ok, id: value, states: answers.states(count) }
        return { ok, failed: value < 0n ? 'revoked' : Number(value) }
      },
    )
  }

  async serve(id: bigint): Promise<void> {
    const held = await this.#enqueue(
      (writer) => writer.settle(Op.serve, id),
      (answers) => answers.next() === 1n,
    )
    if (!held) throw lapsed()
  }

  commit(id: bigint): Promise<void> {
    return this.#enqueue((writer) => writer.settle(Op.commit, id), nothing)
  }

  release(id: bigint): Promise<void> {
    return this.#enqueue((writer) => writer.settle(Op.release, id), nothing)
  }

  read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    return this.#enqueue(
      (writer) => {
        for (const key of keys) checkKey(key, 'counter key')
        writer.read(keys)
      },
      (answers) => answers.states(keys.length),
    )
  }

  revoke(target: RevocationTarget): Promise<void> {
    return this.#enqueue((writer) => {
      const { kind, key } = revocationOf(target)
      writer.revoke(kind, key)
    }, nothing)
  }

  isRevoked(redemption: Pick<Redemption, 'tokenId' | 'paymentHash'>): boolean {
    return this.#revocations.has(redemption)
  }

  get revocationEpoch(): number {
    return this.#revocations.epoch
  }

  ping(): Promise<void> {
    return this.#enqueue((writer) => writer.ping(), nothing)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#flush()
    // What cannot be given back now is given back by whoever opens the file next.
    await new Promise<void>((resolve) => this.#thread.send({ do: 'close' }, () => resolve()))
    await this.#thread.terminate()
    this.#owner.drop()
  }

  /** `write` may throw before it writes; then nothing is queued, and the promise is rejected with what it threw. */
  #enqueue<T>(write: (writer: BatchWriter) => void, read: (answers: Cursor) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) throw new L402Error('store_unavailable', 'the ledger is closed')
      write(this.#writer)
      this.#queue.push({ settle: (answers) => resolve(read(answers)), reject })
      if (!this.#busy) this.#flushSoon()
    })
  }

  /** The rest of this turn of the event loop joins the batch. */
  #flushSoon(): void {
    this.#busy = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    const batch = this.#queue
    this.#busy = batch.length > 0
    if (!this.#busy) return
    this.#queue = []
    this.#thread.send({ do: 'batch', batch: this.#writer.take(), nowMs: this.#now() }, (reply) => {
      this.#learn(reply)
      settleAll(batch, reply)
      this.#flushSoon()
    })
  }

  #learn(reply: Reply | L402Error): void {
    if (reply instanceof L402Error) return
    for (const [kind, key] of reply.news) this.#revocations.add(kind, key)
  }
}

function nothing(): void {}

function settleAll(batch: readonly Pending[], reply: Reply | L402Error): void {
  if (reply instanceof L402Error || reply.answers === undefined) {
    const error =
      reply instanceof L402Error
        ? reply
        : new L402Error('store_unavailable', `the ledger could not be written: ${reply.fault}`)
    for (const { reject } of batch) reject(error)
    return
  }
  const answers = new Cursor(reply.answers)
  for (const { settle } of batch) settle(answers)
}
