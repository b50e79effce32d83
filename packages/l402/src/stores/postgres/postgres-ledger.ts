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
import { type BatchListener, timeBatch } from '../lib/batches.ts'
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
import { BATCH, readBatch } from './batch.ts'
import { CallQueue, type Group } from './call-queue.ts'
import { Chores } from './chores.ts'
import type { Link } from './link.ts'
import { sendOnce, sendWindows } from './marks.ts'
import { OpenBooks } from './open-books.ts'
import { OpenClaims } from './open-claims.ts'
import type { BatchCall, BooksCall, Call, EndCall, Pending } from './operations.ts'
import { readCounters, usesHeld } from './queries.ts'
import { channelOf, type Session } from './session.ts'
import { usesOf } from './uses.ts'

/** Ids outside of this are nobody's. */
const ID_MAX = 2n ** 63n - 1n
/** When a run of housekeeping left something over, the next one comes this soon. */
const PRUNE_ON_MS = 1_000

type Chore = 'poll' | 'sweep' | 'claims' | 'prune'

/** What the ledger of a connection works with. */
export interface PostgresLedgerOptions {
  readonly now: () => number
  readonly schema: string
  readonly onBatch: BatchListener | undefined
}

/** A ledger over a {@link Link}: gathers calls, sends them one statement at a time. */
export class PostgresLedger implements Ledger {
  readonly #link: Link
  readonly #schema: string
  readonly #onBatch: BatchListener | undefined
  readonly #now: () => number
  readonly #books: OpenBooks
  readonly #claims: OpenClaims
  readonly #chores: Chores
  readonly #queue = new CallQueue()
  readonly #due = new Set<Chore>()
  #timers: readonly NodeJS.Timeout[] = []
  #pruneOn: NodeJS.Timeout | undefined
  /** The loop runs; or the turn of the event loop that starts it. */
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(link: Link, { now, schema, onBatch }: PostgresLedgerOptions) {
    this.#onBatch = onBatch
    this.#link = link
    this.#schema = schema
    this.#now = now
    this.#books = new OpenBooks(now)
    this.#claims = new OpenClaims(now)
    this.#chores = new Chores(now)
    link.onReopened = () => {
      this.#chores.restart()
      this.#books.forgetRecorded()
      this.#doSoon('poll', 'claims')
    }
  }

  /** Ends what the dead held, reads what is revoked, and goes on looking for both, and for what has ended. */
  async start(session: Session, every: { pollMs: number; sweepMs: number; pruneMs: number }): Promise<void> {
    await this.#chores.sweepAll(session)
    await this.#chores.poll(session)
    const tick = (ms: number, ...chores: readonly Chore[]): NodeJS.Timeout =>
      setInterval(() => this.#doSoon(...chores), ms).unref()
    this.#timers = [
      tick(every.pollMs, 'poll'),
      tick(every.sweepMs, 'sweep', 'claims'),
      tick(every.pruneMs, 'prune'),
    ]
  }

  /** Somebody may have revoked something. */
  hearRevocation(): void {
    this.#doSoon('poll')
  }

  async credit(redemption: Redemption, amountMsat: bigint): Promise<boolean> {
    checkCredit(redemption, amountMsat)
    return this.#ask((end) => ({ do: 'credit', redemption, amountMsat, ...end }))
  }

  async reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    checkReserve(request)
    return this.#ask((end) => ({ do: 'reserve', request, uses: usesOf(request), ...end }))
  }

  async serve(id: bigint): Promise<void> {
    if (!canBeSomebodys(id)) throw lapsed()
    return this.#end('serve', id)
  }

  async draw(id: bigint, actualMsat: bigint): Promise<boolean> {
    const actual = checkedActual(actualMsat)
    if (!canBeSomebodys(id)) throw lapsed()
    return this.#ask((end) => ({ do: 'draw', id, actualMsat: actual, ...end }))
  }

  async commit(id: bigint, actualMsat?: bigint): Promise<void> {
    return this.#end('commit', id, actualMsat === undefined ? undefined : checkedActual(actualMsat))
  }

  async release(id: bigint): Promise<void> {
    return this.#end('release', id)
  }

  async read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    for (const key of keys) checkKey(key, 'counter key')
    return this.#ask((end) => ({ do: 'read', keys: keys.map(encodeHex), ...end }))
  }

  async pace(rates: readonly RateUse[]): Promise<Paced> {
    checkRates(rates)
    return this.#ask((end) => ({ do: 'pace', rates, ...end }))
  }

  async unpace(rates: readonly RateUse[]): Promise<void> {
    checkRates(rates)
    return this.#ask((end) => ({ do: 'unpace', rates, ...end }))
  }

  async once(mark: Uint8Array, untilMs: number): Promise<boolean> {
    checkKey(mark, 'mark')
    checkTime(untilMs, 'untilMs')
    return this.#ask((end) => ({ do: 'once', mark: encodeHex(mark), untilMs, ...end }))
  }

  async claim(claim: Claim): Promise<ClaimOutcome> {
    checkClaim(claim)
    return this.#ask((end) => ({ do: 'claim', key: encodeHex(claim.key), claim, ...end }))
  }

  async serveClaim(key: Uint8Array, ifLost: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    return this.#ask((end) => ({ do: 'serveClaim', key: encodeHex(key), answer: ifLost, ...end }))
  }

  async answer(key: Uint8Array, answer: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    return this.#ask((end) => ({ do: 'answer', key: encodeHex(key), answer, ...end }))
  }

  async unclaim(key: Uint8Array): Promise<void> {
    checkKey(key, 'claim key')
    return this.#ask((end) => ({ do: 'unclaim', key: encodeHex(key), ...end }))
  }

  async prune(): Promise<number> {
    return this.#ask((end) => ({ do: 'prune', ...end }))
  }

  async revoke(target: RevocationTarget): Promise<void> {
    const revocation = revocationOf(target)
    return this.#ask((end) => ({ do: 'revoke', ...revocation, ...end }))
  }

  isRevoked(redemption: Pick<Redemption, 'tokenId' | 'paymentHash'>): boolean {
    return this.#chores.revocations.has(redemption)
  }

  get revocationEpoch(): number {
    return this.#chores.revocations.epoch
  }

  async ping(): Promise<void> {
    return this.#ask((end) => ({ do: 'ping', ...end }))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#pruneOn)
    this.#due.clear()
    while (this.#running !== undefined) await this.#running
    const last = await this.#link.stop()
    if (last === undefined) return
    // What cannot be ended now is ended by another ledger.
    if (this.#books.owes) await this.#sendBatch(last, []).catch(() => {})
    await this.#claims.settle(last)
    await last.connection.run('SELECT forget_1(ARRAY[$1::bigint])', [last.owner]).catch(() => {})
    await last.connection.close()
  }

  async #end(what: EndCall['do'], id: bigint, actualMsat?: bigint): Promise<void> {
    return this.#ask((end) =>
      canBeSomebodys(id) ? { do: what, id, actualMsat, ...end } : { do: 'nothing', ...end },
    )
  }

  #ask<T>(call: (end: Pending<T>) => Call): Promise<T> {
    if (this.#closing !== undefined) throw new L402Error('store_unavailable', 'the ledger is closed')
    return new Promise<T>((resolve, reject) => {
      const asked = call({ resolve, reject })
      const { fault } = this.#link
      if (fault !== undefined) return this.#refuse(asked, fault)
      this.#queue.push(asked)
      this.#wake()
    })
  }

  #doSoon(...chores: readonly Chore[]): void {
    if (this.#closing !== undefined) return
    for (const chore of chores) this.#due.add(chore)
    this.#wake()
  }

  /** Starts the loop after this turn of the event loop, so that the rest of it joins the batch. */
  #wake(): void {
    if (this.#running !== undefined) return
    this.#running = new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
      .then(() => this.#work())
      .then(() => {
        this.#running = undefined
        if (this.#queue.length > 0) this.#wake()
      })
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0 || this.#due.size > 0) {
      const group = this.#queue.take() ?? { kind: 'batch', calls: [] }
      try {
        const session = await this.#link.session()
        await this.#send(session, group)
        await this.#doChores(session)
      } catch (error) {
        this.#due.clear()
        for (const call of group.calls) this.#refuse(call, error)
      }
    }
  }

  async #send(session: Session, { kind, calls }: Group): Promise<void> {
    if (kind === 'windows') return sendWindows(session, calls, this.#now())
    if (kind === 'once') return sendOnce(session, calls, this.#now())
    if (kind === 'claim') for (const call of calls) await this.#claims.send(session, call)
    else if (kind === 'books') for (const call of calls) await this.#sendBooks(session, call)
    else if (calls.length > 0 || this.#books.owes) await this.#sendBatch(session, calls)
  }

  async #sendBooks({ connection }: Session, call: BooksCall): Promise<void> {
    if (call.do === 'read') return call.resolve(await readCounters(connection, call.keys))
    if (call.do === 'prune') return call.resolve((await this.#chores.prune(connection)).removed)
    const { kind, key } = call
    const channel = channelOf(this.#schema)
    await connection.run('SELECT revoke_1($1, $2, $3, $4)', [kind, Buffer.from(key), this.#now(), channel])
    this.#chores.revocations.add(kind, key)
    call.resolve()
  }

  async #sendBatch(session: Session, calls: readonly BatchCall[]): Promise<void> {
    const { connection, owner } = session
    const foreign = await usesHeld(connection, this.#books.foreign(calls))
    const batch = this.#books.build(calls, owner, foreign)
    const done = timeBatch(this.#onBatch, calls.length)
    const [row] = await connection
      .run(BATCH, batch.values)
      .finally(done)
      .catch((error: unknown) => {
        if (connection.over) this.#books.doubt(batch)
        throw error
      })
    const answer = readBatch(batch, row)
    // What was refused as revoked is known to be revoked when the caller hears of it.
    await this.#chores.catchUp(session, answer.latest).catch(() => {})
    this.#books.settle(calls, batch, answer)
  }

  async #doChores(session: Session): Promise<void> {
    if (this.#due.delete('poll')) await this.#chores.poll(session)
    if (this.#due.delete('claims')) await this.#claims.settle(session)
    if (this.#due.delete('sweep')) await this.#chores.sweep(session)
    if (!this.#due.delete('prune')) return
    const { more } = await this.#chores.prune(session.connection)
    if (more) this.#pruneOn = setTimeout(() => this.#doSoon('prune'), PRUNE_ON_MS).unref()
  }

  #refuse(call: Call, error: unknown): void {
    if (call.do === 'commit' || call.do === 'release') this.#books.owe(call)
    if (call.do === 'answer' || call.do === 'unclaim') this.#claims.owe(call)
    call.reject(error)
  }
}

function canBeSomebodys(id: bigint): boolean {
  return id >= 0n && id <= ID_MAX
}
