import { statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { RevocationKind } from '../lib/revocations.ts'
import { RevocationSet } from '../lib/revocations.ts'
import { transaction } from '../lib/transaction.ts'
import { BatchReader, Op, USE_BYTES } from './batch.ts'
import { Counters } from './counters.ts'
import { forgetOwner, sweepOwners, takeIds } from './owners.ts'
import { connect } from './schema.ts'

/** What a worker needs to open its connection. */
export interface EngineOptions {
  readonly file: string
  readonly owner: bigint
  readonly busyTimeoutMs: number
}

/** A revocation the receiver may not know yet. */
export type RevocationNews = readonly [kind: RevocationKind, key: Uint8Array]

/**
 * The answers to a batch, in its order and flattened: a reservation is `1, id, used…`, a refused one `0, index`
 * (−1: revoked), a read `used…`, serving `1` or, without its reservation, `0`; the other operations have none.
 */
export type BatchAnswers = BigInt64Array<ArrayBuffer>

const ID_BLOCK = 1_000_000n
/** Payment hashes known to be recorded, so that the statement is left out; about 4 MiB when full. */
const RECORDED_MAX = 32_768

/** Runs batches on one connection, each in one durable transaction. Synchronous; lives in a worker thread. */
export class Engine {
  readonly #options: EngineOptions
  readonly #db: DatabaseSync
  readonly #inode: number
  readonly #statements: Statements
  readonly #counters: Counters
  readonly #recorded = new Set<string>()
  readonly #revocations = new RevocationSet()
  #revocationSeq = 0n
  #news: RevocationNews[] = []
  #nextId = 0n
  #endId = 0n

  constructor(options: EngineOptions) {
    this.#options = options
    this.#db = connect(options.file, options.busyTimeoutMs)
    this.#inode = statSync(options.file).ino
    this.#statements = prepare(this.#db)
    this.#counters = new Counters(this.#db)
  }

  /** Throws what SQLite throws; then nothing of the batch was done. */
  run(batch: Uint8Array, nowMs: number): BatchAnswers {
    try {
      // SQLite would go on writing to a file that nobody will ever open again.
      if (statSync(this.#options.file, { throwIfNoEntry: false })?.ino !== this.#inode)
        throw new Error('its file was moved, replaced or deleted')
      return transaction(this.#db, () => {
        this.poll()
        const reader = new BatchReader(batch)
        const answers: bigint[] = []
        while (reader.more) this.#operation(reader, answers, nowMs)
        this.#counters.writeBack()
        return BigInt64Array.from(answers)
      })
    } catch (error) {
      // What was learnt inside the transaction may never have happened.
      this.#counters.forget()
      this.#recorded.clear()
      this.#revocations.clear()
      this.#revocationSeq = 0n
      this.#news = []
      this.#endId = this.#nextId
      throw error
    }
  }

  /** Looks for revocations by other processes. */
  poll(): void {
    for (const row of this.#statements.newRevocations.all(this.#revocationSeq)) {
      const kind = row['kind'] as RevocationKind
      const key = row['key'] as Uint8Array
      this.#revocationSeq = row['seq'] as bigint
      this.#revocations.add(kind, key)
      this.#news.push([kind, key])
    }
  }

  /** Revocations found since the last call. */
  takeNews(): readonly RevocationNews[] {
    const news = this.#news
    if (news.length > 0) this.#news = []
    return news
  }

  sweep(): void {
    sweepOwners(this.#db, this.#options.file, this.#options.owner)
  }

  /** Gives back what this owner still holds and closes the connection, even if the former fails. */
  close(): void {
    try {
      transaction(this.#db, () => forgetOwner(this.#db, this.#options.owner))
    } finally {
      this.#db.close()
    }
  }

  #operation(reader: BatchReader, answers: bigint[], nowMs: number): void {
    const op = reader.byte()
    if (op === Op.reserve) this.#reserve(reader, answers, nowMs)
    else if (op === Op.commit) this.#statements.dropReservation.run(reader.i64())
    else if (op === Op.serve) answers.push(BigInt(this.#statements.serve.run(reader.i64()).changes))
    else if (op === Op.release) {
      const row = this.#statements.takeReservation.get(reader.i64())
      if (row !== undefined) this.#counters.giveBack(row['uses'] as Uint8Array)
    } else if (op === Op.read) {
      for (let n = reader.u32(); n > 0; n--) answers.push(this.#counters.used(reader.take(32)))
    } else if (op === Op.revoke) {
      this.#statements.revoke.run(reader.byte() === 0 ? 'token' : 'payment', reader.take(32), nowMs)
      this.poll()
    } else this.#statements.touch.run()
  }

  #reserve(reader: BatchReader, answers: bigint[], nowMs: number): void {
    const count = reader.u32()
    const serviceLength = reader.u32()
    const paymentHash = reader.take(32)
    const tokenId = reader.take(32)
    const service = reader.take(serviceLength)
    const uses = reader.take(count * USE_BYTES)
    if (this.#revocations.has({ paymentHash, tokenId })) {
      answers.push(0n, -1n)
      return
    }
    const at = answers.push(1n, 0n)
    const each = new BatchReader(uses)
    for (let index = 0; index < count; index++) {
      const key = each.take(32)
      const amount = each.i64()
      const room = each.i64()
      const used = room < 0n ? undefined : this.#counters.add(key, amount, room)
      if (used === undefined) {
        this.#counters.giveBack(uses.subarray(0, index * USE_BYTES))
        answers.length = at - 2
        answers.push(0n, BigInt(index))
        return
      }
      answers.push(used)
    }
    const id = this.#takeId()
    answers[at - 1] = id
    this.#statements.hold.run(id, this.#options.owner, uses)
    this.#record(paymentHash, tokenId, service, nowMs)
  }

  /** Rule 1: once per payment hash, in the transaction of its first reservation. */
  #record(paymentHash: Uint8Array, tokenId: Uint8Array, service: Uint8Array, nowMs: number): void {
    const hash = Buffer.from(paymentHash.buffer, paymentHash.byteOffset, 32).toString('latin1')
    if (this.#recorded.has(hash)) return
    this.#statements.record.run(paymentHash, tokenId, new TextDecoder().decode(service), nowMs)
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.add(hash)
  }

  #takeId(): bigint {
    if (this.#nextId === this.#endId) {
      this.#nextId = takeIds(this.#db, ID_BLOCK)
      this.#endId = this.#nextId + ID_BLOCK
    }
    return this.#nextId++
  }
}

type Statements = Readonly<Record<keyof ReturnType<typeof prepare>, StatementSync>>

function prepare(db: DatabaseSync) {
  const integers = (sql: string): StatementSync => {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    return statement
  }
  return {
    hold: db.prepare('INSERT INTO reservations VALUES (?, ?, 0, ?)'),
    serve: db.prepare('UPDATE reservations SET serving = 1 WHERE id = ?'),
    dropReservation: db.prepare('DELETE FROM reservations WHERE id = ?'),
    takeReservation: db.prepare('DELETE FROM reservations WHERE id = ? RETURNING uses'),
    record: db.prepare('INSERT OR IGNORE INTO redemptions VALUES (?, ?, ?, ?)'),
    revoke: db.prepare('INSERT OR IGNORE INTO revocations(kind, key, at_ms) VALUES (?, ?, ?)'),
    newRevocations: integers('SELECT seq, kind, key FROM revocations WHERE seq > ? ORDER BY seq'),
    touch: db.prepare('UPDATE ids SET next = next + 1'),
  }
}
