import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { L402Error } from '../../core/errors.ts'
import type {
  Claim,
  ClaimOutcome,
  CounterState,
  Ledger,
  NotReserved,
  Paced,
  RateUse,
  Redemption,
  Reservation,
  ReserveRequest,
  RevocationTarget,
} from '../ledger.ts'
import type { BatchListener } from '../lib/batches.ts'
import {
  checkClaim,
  checkCredit,
  checkedActual,
  checkKey,
  checkRates,
  checkReserve,
  checkTime,
  lapsed,
} from '../lib/checks.ts'
import { type RevocationKind, RevocationSet, revocationOf } from '../lib/revocations.ts'
import { Op } from './batch.ts'
import { CLAIM_STATES } from './marks.ts'
import { becomeOwner, type Owner, sweepOwners } from './owners.ts'
import { BatchQueue } from './queue.ts'
import { ensureFile, openFault, prepareFile } from './schema.ts'
import { EngineThread } from './thread.ts'
import type { Reply } from './worker.ts'

/** Where the books are, and how patient they are. */
export interface SqliteStoreOptions {
  /** Path of the database; made (0600) if it is missing, in a folder that exists. Beside it: `-wal`, `-shm`, `.owner-*`. */
  readonly file: string
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number
  /** How long a lock of another process is waited for; default 5,000. */
  readonly busyTimeoutMs?: number
  /** How often revocations by other processes are looked for; default 300. */
  readonly pollMs?: number
  /** How often owners that died are looked for; default 5,000. */
  readonly sweepMs?: number
  /** How often what has ended is removed; default 60,000. */
  readonly pruneMs?: number
  /** Told of every batch that was written or failed; must not throw. */
  readonly onBatch?: BatchListener
}

/** How long requests have the thread for themselves when one run of pruning was not enough. */
const PRUNE_AGAIN_MS = 100

/**
 * Books in one SQLite file, which several processes of one machine may share. Calls made at about the same time
 * become durable in one transaction, in a thread of their own.
 *
 * What can end is removed a day after its end; what cannot is kept for ever: about 60 bytes for each counter, and 100 for
 * each payment. The space of what is removed is used again, so a file holds no more than the most there ever was at once.
 *
 * While the file is moved, replaced or deleted every call fails; moved back, the same ledger goes on. To restore a copy,
 * end all processes first and remove `-wal` and `-shm`, which belong to the file that is replaced.
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

class SqliteLedger implements Ledger {
  readonly #owner: Owner
  readonly #revocations: RevocationSet
  readonly #thread: EngineThread
  readonly #queue: BatchQueue
  readonly #now: () => number
  readonly #timers: readonly NodeJS.Timeout[]
  #pruneAgain: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  constructor(options: SqliteStoreOptions, owner: Owner, revocations: RevocationSet) {
    const { file, now = Date.now, busyTimeoutMs = 5_000 } = options
    const { pollMs = 300, sweepMs = 5_000, pruneMs = 60_000 } = options
    this.#owner = owner
    this.#revocations = revocations
    this.#now = now
    this.#thread = new EngineThread({ file, owner: owner.id, busyTimeoutMs })
    const learn = (reply: Reply | L402Error): void => this.#learn(reply)
    this.#queue = new BatchQueue({ thread: this.#thread, now, learn, onBatch: options.onBatch })
    const every = (ms: number, what: 'poll' | 'sweep'): NodeJS.Timeout =>
      setInterval(() => this.#thread.send({ do: what }, (reply) => this.#learn(reply)), ms).unref()
    const prune = setInterval(() => this.#prune(), pruneMs).unref()
    this.#timers = [every(pollMs, 'poll'), every(sweepMs, 'sweep'), prune]
  }

  credit(redemption: Redemption, amountMsat: bigint): Promise<boolean> {
    return this.#queue.ask(
      (writer) => {
        checkCredit(redemption, amountMsat)
        writer.credit(redemption, amountMsat)
      },
      (answers) => answers.flag(),
    )
  }

  reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    const count = request.uses.length
    return this.#queue.ask(
      (writer) => {
        checkReserve(request)
        writer.reserve(request)
      },
      (answers) => {
        const ok = answers.flag()
        const value = answers.number()
        if (ok) return { ok, id: value, states: answers.states(count) }
        return { ok, failed: value < 0n ? 'revoked' : Number(value) }
      },
    )
  }

  async serve(id: bigint): Promise<void> {
    const held = await this.#queue.ask(
      (writer) => writer.end(Op.serve, id),
      (answers) => answers.flag(),
    )
    if (!held) throw lapsed()
  }

  async draw(id: bigint, actualMsat: bigint): Promise<boolean> {
    const [held, fitted] = await this.#queue.ask(
      (writer) => writer.measure(Op.draw, id, checkedActual(actualMsat)),
      (answers) => [answers.flag(), answers.flag()],
    )
    if (held !== true) throw lapsed()
    return fitted === true
  }

  commit(id: bigint, actualMsat?: bigint): Promise<void> {
    return this.#queue.ask((writer) => {
      if (actualMsat === undefined) writer.end(Op.commit, id)
      else writer.measure(Op.settle, id, checkedActual(actualMsat))
    }, nothing)
  }

  release(id: bigint): Promise<void> {
    return this.#queue.ask((writer) => writer.end(Op.release, id), nothing)
  }

  read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    return this.#queue.ask(
      (writer) => {
        for (const key of keys) checkKey(key, 'counter key')
        writer.read(keys)
      },
      (answers) => answers.fullStates(keys.length),
    )
  }

  pace(rates: readonly RateUse[]): Promise<Paced> {
    return this.#queue.ask(
      (writer) => {
        checkRates(rates)
        writer.pace(Op.pace, rates)
      },
      (answers) => {
        const failed = Number(answers.number())
        if (failed >= 0) return { ok: false, failed, retryAfterMs: Number(answers.number()) }
        return { ok: true, left: rates.map(() => Number(answers.number())) }
      },
    )
  }

  unpace(rates: readonly RateUse[]): Promise<void> {
    return this.#queue.ask((writer) => {
      checkRates(rates)
      writer.pace(Op.unpace, rates)
    }, nothing)
  }

  once(mark: Uint8Array, untilMs: number): Promise<boolean> {
    return this.#queue.ask(
      (writer) => {
        checkKey(mark, 'mark')
        checkTime(untilMs, 'untilMs')
        writer.once(mark, untilMs)
      },
      (answers) => answers.flag(),
    )
  }

  claim(claim: Claim): Promise<ClaimOutcome> {
    return this.#queue.ask(
      (writer) => {
        checkClaim(claim)
        writer.claim(claim)
      },
      (answers) => {
        const state = CLAIM_STATES[Number(answers.number())] ?? 'other'
        return state === 'answered' ? { state, answer: answers.blob() } : { state }
      },
    )
  }

  async serveClaim(key: Uint8Array, ifLost: Uint8Array): Promise<void> {
    const held = await this.#queue.ask(
      (writer) => {
        checkKey(key, 'claim key')
        writer.answer(Op.serveClaim, key, ifLost)
      },
      (answers) => answers.flag(),
    )
    if (!held) throw lapsed()
  }

  answer(key: Uint8Array, answer: Uint8Array): Promise<void> {
    return this.#queue.ask((writer) => {
      checkKey(key, 'claim key')
      writer.answer(Op.answer, key, answer)
    }, nothing)
  }

  unclaim(key: Uint8Array): Promise<void> {
    return this.#queue.ask((writer) => {
      checkKey(key, 'claim key')
      writer.unclaim(key)
    }, nothing)
  }

  prune(): Promise<number> {
    return this.#queue.ask(
      (writer) => writer.bare(Op.prune),
      (answers) => Number(answers.number()),
    )
  }

  revoke(target: RevocationTarget): Promise<void> {
    return this.#queue.ask((writer) => {
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
    return this.#queue.ask((writer) => writer.bare(Op.ping), nothing)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#pruneAgain)
    this.#queue.close()
    // What cannot be given back now is given back by whoever opens the file next.
    await new Promise<void>((resolve) => this.#thread.send({ do: 'close' }, () => resolve()))
    await this.#thread.terminate()
    this.#owner.drop()
  }

  /** A bounded number of rows; the rest soon, when others had their turn. */
  #prune(): void {
    this.#thread.send({ do: 'prune', nowMs: this.#now() }, (reply) => {
      this.#learn(reply)
      if (reply instanceof L402Error || reply.more !== true || this.#closing !== undefined) return
      this.#pruneAgain = setTimeout(() => this.#prune(), PRUNE_AGAIN_MS).unref()
    })
  }

  #learn(reply: Reply | L402Error): void {
    if (reply instanceof L402Error) return
    for (const [kind, key] of reply.news) this.#revocations.add(kind, key)
  }
}

function nothing(): void {}
