import { encodeHex } from '../../core/bytes.ts'
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
import { RevocationSet, revocationOf } from '../lib/revocations.ts'
import { BATCH, readBatch } from './batch.ts'
import type { Link } from './link.ts'
import { OpenBooks } from './open-books.ts'
import { type BatchCall, type EndCall, type Pending, type SingleCall, usesOf } from './operations.ts'
import { readCounters, revocationsAfter, usesHeld } from './queries.ts'
import { channelOf, type Session } from './session.ts'

/** Ids outside of this are nobody's. */
const ID_MAX = 2n ** 63n - 1n
/** Most calls, and most uses of counters, that share a statement. */
const MOST_CALLS = 512
const MOST_USES = 4_096

type Call = BatchCall | SingleCall

/** A ledger over a {@link Link}: gathers calls, sends them one statement at a time. */
export class PostgresLedger implements Ledger {
  readonly #link: Link
  readonly #schema: string
  readonly #now: () => number
  readonly #books: OpenBooks
  readonly #revocations = new RevocationSet()
  #timers: readonly NodeJS.Timeout[] = []
  #queue: Call[] = []
  /** The loop runs; or the turn of the event loop that starts it. */
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** The last revocation that is known here. */
  #seq = 0n
  #pollDue = false
  #sweepDue = false
  /** Owners that were dead when last looked at. They are ended if they still are: a living one may be on its way back. */
  #suspects: readonly string[] = []

  constructor(link: Link, { now, schema }: { readonly now: () => number; readonly schema: string }) {
    this.#link = link
    this.#schema = schema
    this.#now = now
    this.#books = new OpenBooks(now)
    link.onReopened = () => {
      // The server may be another one, or restored from an older copy.
      this.#seq = 0n
      this.#books.forgetRecorded()
      this.hearRevocation()
    }
  }

  /** Ends what the dead held, reads what is revoked, and goes on looking for both. */
  async start({ connection, owner }: Session, every: { pollMs: number; sweepMs: number }): Promise<void> {
    await connection.run('SELECT sweep_1($1, NULL)', [owner])
    await this.#poll({ connection, owner })
    const tick = (ms: number, work: () => void): NodeJS.Timeout => setInterval(work, ms).unref()
    this.#timers = [
      tick(every.pollMs, () => this.hearRevocation()),
      tick(every.sweepMs, () => {
        this.#sweepDue = true
        this.#wake()
      }),
    ]
  }

  /** Somebody may have revoked something. */
  hearRevocation(): void {
    this.#pollDue = true
    this.#wake()
  }

  async reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    checkReserve(request)
    return this.#ask((end) => ({ do: 'reserve', request, uses: usesOf(request), ...end }))
  }

  async serve(id: bigint): Promise<void> {
    if (!canBeSomebodys(id)) throw lapsed()
    return this.#end('serve', id)
  }

  async commit(id: bigint): Promise<void> {
    return this.#end('commit', id)
  }

  async release(id: bigint): Promise<void> {
    return this.#end('release', id)
  }

  async read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    for (const key of keys) checkKey(key, 'counter key')
    return this.#ask((end) => ({ do: 'read', keys: keys.map(encodeHex), ...end }))
  }

  async revoke(target: RevocationTarget): Promise<void> {
    const revocation = revocationOf(target)
    return this.#ask((end) => ({ do: 'revoke', ...revocation, ...end }))
  }

  isRevoked(redemption: Pick<Redemption, 'tokenId' | 'paymentHash'>): boolean {
    return this.#revocations.has(redemption)
  }

  get revocationEpoch(): number {
    return this.#revocations.epoch
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
    this.#pollDue = false
    this.#sweepDue = false
    while (this.#running !== undefined) await this.#running
    const last = await this.#link.stop()
    if (last === undefined) return
    // What cannot be given back now is given back by another ledger.
    await last.connection.run('SELECT forget_1(ARRAY[$1::bigint])', [last.owner]).catch(() => {})
    await last.connection.close()
  }

  async #end(what: EndCall['do'], id: bigint): Promise<void> {
    return this.#ask((end) => (canBeSomebodys(id) ? { do: what, id, ...end } : { do: 'nothing', ...end }))
  }

  #ask<T>(call: (end: Pending<T>) => Call): Promise<T> {
    if (this.#closing !== undefined) throw new L402Error('store_unavailable', 'the ledger is closed')
    return new Promise<T>((resolve, reject) => {
      const asked = call({ resolve, reject })
      const { fault } = this.#link
      if (fault !== undefined) return this.#refuse([asked], fault)
      this.#queue.push(asked)
      this.#wake()
    })
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
    while (this.#queue.length > 0 || this.#pollDue || this.#sweepDue) {
      const calls = this.#take()
      try {
        const session = await this.#link.session()
        await this.#send(session, calls)
        if (this.#pollDue) await this.#poll(session)
        if (this.#sweepDue) await this.#sweep(session)
      } catch (error) {
        this.#pollDue = false
        this.#sweepDue = false
        this.#refuse(calls, error)
      }
    }
  }

  /** The next calls that share a statement, in the order they were asked in. */
  #take(): readonly Call[] {
    let count = 0
    for (let uses = 0; count < Math.min(this.#queue.length, MOST_CALLS) && uses < MOST_USES; count++) {
      const call = this.#queue[count]
      if (call === undefined || isSingle(call)) break
      uses += call.do === 'reserve' ? call.uses.length : 1
    }
    return this.#queue.splice(0, Math.max(count, 1))
  }

  async #send(session: Session, calls: readonly Call[]): Promise<void> {
    const [first] = calls
    if (first !== undefined && isSingle(first)) return this.#sendSingle(session, first)
    const batched = calls.filter((call) => !isSingle(call))
    if (batched.length > 0 || this.#books.owes) await this.#sendBatch(session, batched)
  }

  async #sendSingle({ connection }: Session, call: SingleCall): Promise<void> {
    if (call.do === 'revoke') {
      const { kind, key } = call
      const key_ = Buffer.from(key)
      await connection.run('SELECT revoke_1($1, $2, $3, $4)', [
        kind,
        key_,
        this.#now(),
        channelOf(this.#schema),
      ])
      this.#revocations.add(kind, key)
      call.resolve()
    } else call.resolve(await readCounters(connection, call.keys))
  }

  async #sendBatch({ connection, owner }: Session, calls: readonly BatchCall[]): Promise<void> {
    const foreign = await usesHeld(connection, this.#books.foreignReleases(calls))
    const batch = this.#books.build(calls, owner, foreign)
    const [row] = await connection.run(BATCH, batch.values).catch((error: unknown) => {
      if (connection.over) this.#books.doubt(batch)
      throw error
    })
    const answer = readBatch(batch, row)
    // What was refused as revoked is known to be revoked when the caller hears of it.
    if (answer.latest < this.#seq) this.#seq = 0n // an older copy of the books
    if (answer.latest !== this.#seq) await this.#poll({ connection, owner }).catch(() => {})
    this.#books.settle(calls, batch, answer)
  }

  async #poll({ connection }: Session): Promise<void> {
    this.#pollDue = false
    for (const [seq, kind, key] of await revocationsAfter(connection, this.#seq)) {
      this.#revocations.add(kind, key)
      this.#seq = seq
    }
  }

  async #sweep({ connection, owner }: Session): Promise<void> {
    this.#sweepDue = false
    const [row] = await connection.run('SELECT sweep_1($1, $2)', [owner, this.#suspects])
    this.#suspects = (row?.[0] ?? '')
      .slice(1, -1)
      .split(',')
      .filter((id) => id !== '')
  }

  #refuse(calls: readonly Call[], error: unknown): void {
    for (const call of calls) {
      if (call.do === 'commit' || call.do === 'release') this.#books.owe(call)
      call.reject(error)
    }
  }
}

function canBeSomebodys(id: bigint): boolean {
  return id >= 0n && id <= ID_MAX
}

function isSingle(call: Call): call is SingleCall {
  return call.do === 'read' || call.do === 'revoke'
}
