import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { AnswerWriter } from './answers.ts'
import { readRedemption } from './batch.ts'
import { ByteReader } from './bytes.ts'
import type { Counters } from './counters.ts'
import { takeIds } from './owners.ts'
import type { Redemptions } from './redemptions.ts'
import type { RevocationNews } from './revocation-news.ts'
import { packUses, readUse, USE_BYTES, unpackUses } from './uses.ts'

const ID_BLOCK = 1_000_000n

/** What reservations work with: the other parts of one connection. */
export interface Books {
  readonly db: DatabaseSync
  readonly owner: bigint
  readonly counters: Counters
  readonly redemptions: Redemptions
  readonly revocations: RevocationNews
}

/** Held places, from reservation to commit or release (rules 2, 3 and 5). Each method reads what its operation says. */
export class Reservations {
  readonly #books: Books
  readonly #hold: StatementSync
  readonly #serve: StatementSync
  readonly #find: StatementSync
  readonly #change: StatementSync
  readonly #drop: StatementSync
  readonly #take: StatementSync
  #nextId = 0n
  #endId = 0n

  constructor(books: Books) {
    const { db } = books
    this.#books = books
    this.#hold = db.prepare('INSERT INTO reservations VALUES (?, ?, 0, ?)')
    this.#serve = db.prepare('UPDATE reservations SET serving = 1 WHERE id = ?')
    this.#find = db.prepare('SELECT uses FROM reservations WHERE id = ?')
    this.#change = db.prepare('UPDATE reservations SET uses = ?2 WHERE id = ?1')
    this.#drop = db.prepare('DELETE FROM reservations WHERE id = ?')
    this.#take = db.prepare('DELETE FROM reservations WHERE id = ? RETURNING uses')
  }

  /** Answers `1, id, state…`, or `0` and the index of the use without room (−1: revoked). */
  reserve(reader: ByteReader, answers: AnswerWriter, nowMs: number): void {
    const { owner, counters, redemptions, revocations } = this.#books
    const redemption = readRedemption(reader)
    const count = reader.u32()
    const bytes = reader.take(count * USE_BYTES)
    const ends = new ByteReader(reader.take(count * 8))
    if (revocations.has(redemption)) {
      answers.numbers.push(0n, -1n)
      return
    }
    const { numbers } = answers
    const at = numbers.push(1n, 0n)
    const each = new ByteReader(bytes)
    for (let index = 0; index < count; index++) {
      const state = counters.add(readUse(each), ends.time())
      if (state === undefined) {
        counters.giveBack(unpackUses(bytes.subarray(0, index * USE_BYTES)))
        numbers.length = at - 2
        numbers.push(0n, BigInt(index))
        return
      }
      answers.state(state)
    }
    const id = this.#takeId()
    numbers[at - 1] = id
    this.#hold.run(id, owner, bytes)
    redemptions.record(redemption, nowMs)
  }

  /** Answers whether it is held. */
  serve(reader: ByteReader, answers: AnswerWriter): void {
    answers.flag(this.#serve.run(reader.i64()).changes === 1)
  }

  /** Answers whether it is held, and whether all of it fitted. */
  draw(reader: ByteReader, answers: AnswerWriter): void {
    const id = reader.i64()
    const actual = reader.i64()
    const row = this.#find.get(id)
    answers.flag(row !== undefined)
    const uses = row === undefined ? [] : unpackUses(row['uses'] as Uint8Array)
    const held = uses.find((use) => use.metered)
    if (held === undefined || actual <= held.amount) {
      answers.flag(true)
      return
    }
    answers.flag(this.#books.counters.measure(uses, actual) === 0n)
    this.#change.run(id, packUses(uses))
  }

  /** Nothing but the row goes: what was reserved is used. */
  commit(reader: ByteReader): void {
    this.#drop.run(reader.i64())
  }

  /** Commits what was measured. */
  settle(reader: ByteReader): void {
    const row = this.#take.get(reader.i64())
    const actual = reader.i64()
    if (row === undefined) return
    const { counters } = this.#books
    const uses = unpackUses(row['uses'] as Uint8Array)
    counters.lose(uses, counters.measure(uses, actual))
  }

  release(reader: ByteReader): void {
    const row = this.#take.get(reader.i64())
    if (row !== undefined) this.#books.counters.giveBack(unpackUses(row['uses'] as Uint8Array))
  }

  /** Answers whether the payment was put on its account now (rule 1). */
  credit(reader: ByteReader, answers: AnswerWriter, nowMs: number): void {
    const redemption = readRedemption(reader)
    const amount = reader.i64()
    const first = this.#books.redemptions.recordNow(redemption, nowMs)
    if (first) this.#books.counters.credit(redemption.tokenId, amount, redemption.endsMs)
    answers.flag(first)
  }

  /** After a transaction that failed: its block of numbers may never have been taken. */
  forget(): void {
    this.#endId = this.#nextId
  }

  #takeId(): bigint {
    if (this.#nextId === this.#endId) {
      this.#nextId = takeIds(this.#books.db, ID_BLOCK)
      this.#endId = this.#nextId + ID_BLOCK
    }
    return this.#nextId++
  }
}
