import { decodeHex, encodeHex } from '../../core/bytes.ts'
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
import { type Answers, buryOp, leaveOp, ownersOp, readOp, reserveOp, revokeOp, settleOp } from './batch.ts'
import { unavailable } from './faults.ts'
import type { Line } from './line.ts'
import { OwnerWatch } from './owners.ts'
import { type BatchReply, type Books, Session } from './session.ts'

/** How a ledger behaves; see the options of the store. */
export interface RedisLedgerOptions {
  readonly now: () => number
  readonly pollMs: number
  readonly leaseMs: number
  readonly maxBatch: number
  readonly onWarning: (message: string) => void
  readonly onClose: () => void
}

interface Operation {
  /** What it says to the script; asked again when the owner's name has changed. */
  readonly text: () => string
  readonly settle: (reply: BatchReply) => void
  readonly reject: (error: L402Error) => void
  /** The reservation that this tries to make. */
  readonly id?: () => bigint
  /** Whether somebody waits for it. */
  readonly asked: boolean
}

/** Payment hashes known to be recorded, so that they are not recorded again; about 4 MiB when full. */
const RECORDED_MAX = 32_768

/** Calls without an answer end the connection, so that there are hardly ever more than one call's worth. */
const ORPHANS_MAX = 16_384

const LAPSE_WARNING =
  'this process was silent for longer than its lease (or the Redis server has lost its newest data): what it had reserved was given back, and requests that were waiting are refused'

/** Gathers what is asked in one turn of the event loop, or while a batch is on its way, into one call of the script. */
export class RedisLedger implements Ledger {
  readonly #books: Books
  readonly #options: RedisLedgerOptions
  readonly #line: Line
  readonly #session: Session
  readonly #watch: OwnerWatch
  readonly #revocations = new RevocationSet()
  readonly #recorded = new Set<string>()
  readonly #timer: NodeJS.Timeout
  #queue: Operation[] = []
  #busy = false
  #asked = 0
  /** Revocations on the server, and how many of them were read. */
  #total = 0
  #known = 0
  /** Reservations of calls that were never answered: perhaps made, and nobody knows of them. */
  #orphans: bigint[] = []
  #whyDown: unknown = 'it is not connected'
  #polling = false
  #closing: Promise<void> | undefined

  constructor(books: Books, line: Line, options: RedisLedgerOptions) {
    this.#books = books
    this.#line = line
    this.#options = options
    this.#session = new Session(books)
    this.#watch = new OwnerWatch(options.leaseMs)
    this.#timer = setInterval(() => this.poll(), options.pollMs).unref()
  }

  /** Becomes an owner and learns of all revocations. */
  async start(): Promise<void> {
    do await this.#enqueue(() => '', nothing)
    while (this.#known < this.#total)
  }

  /** The line is there again. */
  up(): void {
    // The server may have forgotten something meanwhile, and owners may have been cut off like this one.
    this.#known = 0
    this.#recorded.clear()
    this.#watch.forget()
    this.#line.link?.hold(this.#asked > 0)
    this.poll()
  }

  down(error: unknown): void {
    this.#whyDown = error
  }

  /** Shows that this owner lives, looks for revocations by others, and for owners that died. */
  poll(): void {
    if (this.#polling || this.#line.link === undefined || this.#closing !== undefined) return
    this.#polling = true
    let dead: readonly (readonly [string, string])[] = []
    const done = (): void => {
      this.#polling = false
    }
    this.#push({
      text: () => ownersOp,
      settle: (reply) => {
        done()
        dead = this.#watch.look(reply.owners, this.#session.owner, performance.now())
        if (dead.length > 0)
          this.#push({
            text: () => dead.map(([owner, seq]) => buryOp(owner, seq)).join(''),
            settle: nothing,
            reject: nothing,
            asked: false,
          })
        if (this.#known < this.#total) this.poll()
      },
      reject: done,
      asked: false,
    })
  }

  async reserve(request: ReserveRequest): Promise<Reservation | NotReserved> {
    checkReserve(request)
    const count = request.uses.length
    const hash = encodeHex(request.redemption.paymentHash)
    const write = reserveOp(request)
    let id = 0n
    const text = (): string => {
      id = this.#session.takeId()
      return write(id, !this.#recorded.has(hash))
    }
    const settle = (answers: Answers): Reservation | NotReserved => {
      const outcome = answers.next()
      if (outcome === 'revoked') return { ok: false, failed: 'revoked' }
      if (outcome === 'full') return { ok: false, failed: Number(answers.next()) }
      this.#remember(hash)
      return { ok: true, id, states: answers.states(count) }
    }
    return this.#enqueue(text, settle, () => id)
  }

  async serve(id: bigint): Promise<void> {
    const held = await this.#enqueue(
      () => settleOp('serve', id),
      (answers) => answers.next() === '1',
    )
    if (!held) throw lapsed()
  }

  async commit(id: bigint): Promise<void> {
    return this.#enqueue(() => settleOp('commit', id), nothing)
  }

  async release(id: bigint): Promise<void> {
    return this.#enqueue(() => settleOp('release', id), nothing)
  }

  async read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]> {
    for (const key of keys) checkKey(key, 'counter key')
    const text = readOp(keys)
    return this.#enqueue(
      () => text,
      (answers) => answers.states(keys.length),
    )
  }

  async revoke(target: RevocationTarget): Promise<void> {
    const { kind, key } = revocationOf(target)
    return this.#enqueue(
      () => revokeOp(kind, key),
      () => this.#revocations.add(kind, key),
    )
  }

  isRevoked(redemption: Pick<Redemption, 'tokenId' | 'paymentHash'>): boolean {
    return this.#revocations.has(redemption)
  }

  get revocationEpoch(): number {
    return this.#revocations.epoch
  }

  async ping(): Promise<void> {
    // Every call writes.
    return this.#enqueue(() => '', nothing)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    // What cannot be given back now is given back by another, when the lease is over.
    await new Promise<void>((resolve) =>
      this.#push({ text: () => leaveOp, settle: () => resolve(), reject: () => resolve(), asked: true }),
    )
    this.#line.drop()
    this.#options.onClose()
  }

  #remember(hash: string): void {
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.add(hash)
  }

  #enqueue<T>(text: () => string, read: (answers: Answers) => T, id?: () => bigint): Promise<T> {
    if (this.#closing !== undefined) throw new L402Error('store_unavailable', 'the ledger is closed')
    return new Promise((resolve, reject) => {
      const settle = ({ answers }: BatchReply): void => resolve(read(answers))
      this.#push({ text, settle, reject, asked: true, ...(id === undefined ? {} : { id }) })
    })
  }

  #push(operation: Operation): void {
    this.#queue.push(operation)
    if (operation.asked && ++this.#asked === 1) this.#line.link?.hold(true)
    if (this.#busy) return
    this.#busy = true
    // The rest of this turn of the event loop joins the batch.
    setImmediate(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#options.maxBatch)
      const outcome = await this.#call(batch)
      this.#asked -= batch.filter(({ asked }) => asked).length
      if (this.#asked === 0) this.#line.link?.hold(false)
      if (outcome instanceof L402Error) for (const { reject } of batch) reject(outcome)
      else for (const { settle } of batch) settle(outcome)
    }
    this.#busy = false
  }

  async #call(batch: readonly Operation[]): Promise<BatchReply | L402Error> {
    const { link } = this.#line
    if (link === undefined) return unavailable(this.#books.target, this.#whyDown)
    const orphans = this.#orphans
    const text = (): string =>
      [...orphans.map((id) => settleOp('release', id)), ...batch.map((operation) => operation.text())].join(
        '',
      )
    const about = { known: this.#known, nowMs: this.#options.now() }
    let reply = await this.#session.call(link, text(), about)
    if (reply === 'lapsed') {
      this.#session.beginAnew()
      this.#options.onWarning(LAPSE_WARNING)
      reply = await this.#session.call(link, text(), about)
      if (reply === 'lapsed') return unavailable(this.#books.target, 'the lease was lost twice')
    }
    if ('error' in reply) {
      const ids = reply.unknown ? batch.flatMap(({ id }) => (id === undefined ? [] : [id()])) : []
      this.#orphans = [...orphans, ...ids].slice(-ORPHANS_MAX)
      return reply.error
    }
    this.#orphans = []
    this.#learn(reply)
    return reply
  }

  #learn({ news, revocations }: BatchReply): void {
    for (const text of news) {
      const key = decodeHex(text.slice(1))
      if (key !== undefined) this.#revocations.add(text.startsWith('t') ? 'token' : 'payment', key)
    }
    // Fewer than before: the server has lost some; they are looked at anew.
    this.#known = revocations < this.#known ? 0 : this.#known + news.length
    this.#total = revocations
  }
}

function nothing(): void {}
