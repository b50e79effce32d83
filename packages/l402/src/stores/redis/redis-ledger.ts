import { encodeHex } from '../../core/bytes.ts'
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
import { revocationOf } from '../lib/revocations.ts'
import type { Answers } from './answers.ts'
import type { Write } from './batch.ts'
import type { Line } from './line.ts'
import {
  answerOp,
  claimOp,
  commitOp,
  creditOp,
  drawOp,
  leaveOp,
  onceOp,
  paceOp,
  readOp,
  releaseOp,
  reserveOp,
  revokeOp,
  serveOp,
  unclaimOp,
  unclaimOrphanOp,
  unpaceOp,
} from './operations.ts'
import { type Operation, Queue } from './queue.ts'
import { RevocationNews } from './revocation-news.ts'
import { type BatchReply, type Books, Session } from './session.ts'
import { Upkeep } from './upkeep.ts'

/** How a ledger behaves; see the options of the store. */
export interface RedisLedgerOptions {
  readonly now: () => number
  readonly pollMs: number
  readonly leaseMs: number
  readonly maxBatch: number
  readonly onWarning: (message: string) => void
  readonly onBatch: BatchListener | undefined
  readonly onClose: () => void
}

/** Payment hashes known to be recorded, so that they are not recorded again; about 4 MiB when full. */
const RECORDED_MAX = 32_768

const LAPSE_WARNING =
  'this process was silent for longer than its lease (or the Redis server has lost its newest data): what it had reserved was given back, and requests that were waiting are refused'

/** Says what is asked to the queue, and reads the answers. */
export class RedisLedger implements Ledger {
  readonly #options: RedisLedgerOptions
  readonly #line: Line
  readonly #session: Session
  readonly #queue: Queue
  readonly #upkeep: Upkeep
  readonly #news = new RevocationNews()
  /** Ends by payment hash, in milliseconds since 1970; `null`: never. */
  readonly #recorded = new Map<string, number | null>()
  #closing: Promise<void> | undefined

  constructor(books: Books, line: Line, options: RedisLedgerOptions) {
    const { now, maxBatch, onBatch, onWarning } = options
    this.#options = options
    this.#line = line
    const session = new Session(books)
    const news = this.#news
    const onLapse = (): void => {
      this.#recorded.clear()
      onWarning(LAPSE_WARNING)
    }
    const queue = new Queue({ books, line, session, news }, { now, maxBatch, onLapse, onBatch })
    this.#session = session
    this.#queue = queue
    this.#upkeep = new Upkeep({ queue, session, news }, options)
  }

  /** Becomes an owner and learns of all revocations. */
  async start(): Promise<void> {
    do await this.#do(nothing)
    while (this.#news.behind)
  }

  /** The line is there again. */
  up(): void {
    // The server may have forgotten something meanwhile.
    this.#news.readAgain()
    this.#recorded.clear()
    this.#queue.up()
    this.#upkeep.up()
  }

  down(error: unknown): void {
    this.#queue.down(error)
  }

  /** Looks for revocations by others. */
  poll(): void {
    this.#upkeep.poll()
  }

  async credit(redemption: Redemption, amountMsat: bigint): Promise<boolean> {
    checkCredit(redemption, amountMsat)
    const now = await this.#ask(creditOp(redemption, amountMsat), isYes)
    this.#remember(encodeHex(redemption.paymentHash), redemption)
    return now
  }

  async reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    checkReserve(request)
    const count = request.uses.length
    const hash = encodeHex(request.redemption.paymentHash)
    const say = reserveOp(request)
    let id = 0n
    const write: Write = (batch) => {
      id = this.#session.takeId()
      say(batch, id, !this.#isRecorded(hash))
    }
    const read = (answers: Answers): Reservation | NotReserved => {
      const outcome = answers.next()
      if (outcome === 'revoked') return { ok: false, failed: 'revoked' }
      if (outcome === 'full') return { ok: false, failed: Number(answers.next()) }
      this.#remember(hash, request.redemption)
      return { ok: true, id, states: answers.states(count) }
    }
    return this.#ask(write, read, { undo: () => releaseOp(id) })
  }

  async serve(id: bigint): Promise<void> {
    if (!(await this.#ask(serveOp(id), isYes))) throw lapsed()
  }

  async draw(id: bigint, actualMsat: bigint): Promise<boolean> {
    const drawn = await this.#ask(drawOp(id, checkedActual(actualMsat)), (answers) => answers.next())
    if (drawn === 'lapsed') throw lapsed()
    return drawn === '1'
  }

  async commit(id: bigint, actualMsat?: bigint): Promise<void> {
    return this.#do(commitOp(id, actualMsat === undefined ? undefined : checkedActual(actualMsat)))
  }

  async release(id: bigint): Promise<void> {
    return this.#do(releaseOp(id))
  }

  async read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    for (const key of keys) checkKey(key, 'counter key')
    return this.#ask(readOp(keys), (answers) => answers.counters(keys.length))
  }

  async pace(rates: readonly RateUse[]): Promise<Paced> {
    checkRates(rates)
    return this.#ask(paceOp(rates), (answers) => {
      if (answers.next() === 'ok') return { ok: true, left: rates.map(() => Number(answers.next())) }
      return { ok: false, failed: Number(answers.next()), retryAfterMs: Number(answers.next()) }
    })
  }

  async unpace(rates: readonly RateUse[]): Promise<void> {
    checkRates(rates)
    return this.#do(unpaceOp(rates))
  }

  async once(mark: Uint8Array, untilMs: number): Promise<boolean> {
    checkKey(mark, 'mark')
    checkTime(untilMs, 'untilMs')
    return this.#ask(onceOp(mark, untilMs), isYes)
  }

  async claim(claim: Claim): Promise<ClaimOutcome> {
    checkClaim(claim)
    const key = new Uint8Array(claim.key)
    const say = claimOp(claim)
    let id = 0n
    const write: Write = (batch) => {
      id = this.#session.takeId()
      say(batch, id)
    }
    const undo = (): Write => unclaimOrphanOp(key, id)
    const read = (answers: Answers): ClaimOutcome | 'later' => {
      const state = answers.next()
      if (state === 'answered') return { state, answer: answers.blob() }
      return state === 'later'
        ? state
        : { state: state === 'claimed' || state === 'other' ? state : 'running' }
    }
    for (;;) {
      // Many large outcomes are more than one answer of the server should hold.
      const outcome = await this.#ask(write, read, { undo })
      if (outcome !== 'later') return outcome
    }
  }

  async serveClaim(key: Uint8Array, ifLost: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    const held = await this.#ask(answerOp('P', key, ifLost), isYes, { bytes: ifLost.length })
    if (!held) throw lapsed()
  }

  async answer(key: Uint8Array, answer: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    return this.#ask(answerOp('A', key, answer), nothing, { bytes: answer.length })
  }

  async unclaim(key: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    return this.#do(unclaimOp(key))
  }

  async prune(): Promise<number> {
    this.#checkOpen()
    return (await this.#upkeep.prune(true)).removed
  }

  async revoke(target: RevocationTarget): Promise<void> {
    const { kind, key } = revocationOf(target)
    return this.#ask(revokeOp(kind, key), () => this.#news.set.add(kind, key))
  }

  isRevoked(redemption: Pick<Redemption, 'tokenId' | 'paymentHash'>): boolean {
    return this.#news.set.has(redemption)
  }

  get revocationEpoch(): number {
    return this.#news.set.epoch
  }

  async ping(): Promise<void> {
    // Every call writes.
    return this.#do(nothing)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#upkeep.stop()
    // What cannot be given back now is given back by another, when the lease is over.
    await new Promise<void>((resolve) => {
      const done = (): void => resolve()
      this.#queue.push({ write: leaveOp, settle: done, reject: done, asked: true })
    })
    this.#line.drop()
    this.#options.onClose()
  }

  #remember(hash: string, { endsAtMs }: Redemption): void {
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.set(hash, endsAtMs ?? null)
  }

  /** From its end on it may have been forgotten by any housekeeping, and is recorded again. */
  #isRecorded(hash: string): boolean {
    const endsAtMs = this.#recorded.get(hash)
    return endsAtMs !== undefined && (endsAtMs === null || this.#options.now() < endsAtMs)
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new L402Error('store_unavailable', 'the ledger is closed')
  }

  #do(write: Write): Promise<void> {
    return this.#ask(write, nothing)
  }

  #ask<T>(
    write: Write,
    read: (answers: Answers) => T,
    more: Pick<Operation, 'undo' | 'bytes'> = {},
  ): Promise<T> {
    this.#checkOpen()
    return new Promise((resolve, reject) => {
      const settle = ({ answers }: BatchReply): void => resolve(read(answers))
      this.#queue.push({ write, settle, reject, asked: true, ...more })
    })
  }
}

function isYes(answers: Answers): boolean {
  return answers.next() === '1'
}

function nothing(): void {}
