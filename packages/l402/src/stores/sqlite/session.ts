import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { transaction } from '../lib/transaction.ts'
import { AnswerWriter, type BatchAnswers } from './answers.ts'
import { Op } from './batch.ts'
import { ByteReader } from './bytes.ts'
import { Counters } from './counters.ts'
import { Marks } from './marks.ts'
import { forgetOwner, sweepOwners } from './owners.ts'
import { type Pruned, Pruner } from './prune.ts'
import { Redemptions } from './redemptions.ts'
import { Reservations } from './reservations.ts'
import { type Revocation, RevocationNews } from './revocation-news.ts'
import { Windows } from './windows.ts'

/** Reads what it is about, does it, and answers. */
type Operation = (reader: ByteReader, answers: AnswerWriter, nowMs: number) => unknown

/** Runs batches on one connection, each in one durable transaction. Synchronous. */
export class Session {
  readonly #db: DatabaseSync
  readonly #owner: bigint
  readonly #counters: Counters
  readonly #redemptions: Redemptions
  readonly #reservations: Reservations
  readonly #windows: Windows
  readonly #marks: Marks
  readonly #pruner: Pruner
  readonly #revocations: RevocationNews
  readonly #ping: StatementSync
  readonly #operations: Readonly<Record<number, Operation>>

  constructor(db: DatabaseSync, owner: bigint) {
    this.#db = db
    this.#owner = owner
    this.#counters = new Counters(db)
    this.#redemptions = new Redemptions(db)
    this.#revocations = new RevocationNews(db)
    this.#reservations = new Reservations({
      db,
      owner,
      counters: this.#counters,
      redemptions: this.#redemptions,
      revocations: this.#revocations,
    })
    this.#windows = new Windows(db)
    this.#marks = new Marks(db, owner)
    this.#pruner = new Pruner(db)
    this.#ping = db.prepare('UPDATE ids SET next = next + 1')
    this.#operations = this.#table()
  }

  /** Throws what SQLite throws; then nothing of the batch was done. */
  run(batch: Uint8Array, nowMs: number): BatchAnswers {
    return this.#whole(() => {
      this.#revocations.poll()
      const reader = new ByteReader(batch)
      const answers = new AnswerWriter()
      while (reader.more) this.#operations[reader.byte()]?.(reader, answers, nowMs)
      this.#writeBack()
      return answers.done()
    })
  }

  /** Removes what has ended; see {@link Pruner}. */
  prune(nowMs: number): Pruned {
    return this.#whole(() => this.#prune(nowMs))
  }

  /** Looks for revocations by other processes. */
  poll(): void {
    this.#revocations.poll()
  }

  /** Revocations found since the last call. */
  takeNews(): readonly Revocation[] {
    return this.#revocations.take()
  }

  /** Gives back what dead owners held. */
  sweep(file: string): void {
    sweepOwners(this.#db, file, this.#owner)
  }

  /** Gives back what this owner still holds and closes the connection, even if the former fails. */
  close(): void {
    try {
      transaction(this.#db, () => forgetOwner(this.#db, this.#owner))
    } finally {
      this.#db.close()
    }
  }

  /**
   * Closes the connection to a file that is no longer at its place, and leaves nothing in the write-ahead log, which is:
   * whatever file is put there next must not be read together with it.
   */
  leave(): void {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // The file is as durable as before; more cannot be done for it.
    }
    this.#db.close()
  }

  #whole<T>(work: () => T): T {
    try {
      return transaction(this.#db, work)
    } catch (error) {
      // What was learnt inside the transaction may never have happened.
      for (const part of [
        this.#counters,
        this.#windows,
        this.#redemptions,
        this.#reservations,
        this.#revocations,
      ])
        part.forget()
      throw error
    }
  }

  #writeBack(): void {
    this.#counters.writeBack()
    this.#windows.writeBack()
  }

  #prune(nowMs: number): Pruned {
    this.#writeBack()
    const pruned = this.#pruner.run(nowMs)
    this.#redemptions.forget()
    return pruned
  }

  #table(): Readonly<Record<number, Operation>> {
    const [held, windows, marks] = [this.#reservations, this.#windows, this.#marks]
    return {
      [Op.reserve]: (reader, answers, nowMs) => held.reserve(reader, answers, nowMs),
      [Op.serve]: (reader, answers) => held.serve(reader, answers),
      [Op.draw]: (reader, answers) => held.draw(reader, answers),
      [Op.commit]: (reader) => held.commit(reader),
      [Op.settle]: (reader) => held.settle(reader),
      [Op.release]: (reader) => held.release(reader),
      [Op.credit]: (reader, answers, nowMs) => held.credit(reader, answers, nowMs),
      [Op.read]: (reader, answers) => this.#read(reader, answers),
      [Op.pace]: (reader, answers, nowMs) => windows.pace(reader, answers, nowMs),
      [Op.unpace]: (reader) => windows.unpace(reader),
      [Op.once]: (reader, answers, nowMs) => marks.once(reader, answers, nowMs),
      [Op.claim]: (reader, answers, nowMs) => marks.claim(reader, answers, nowMs),
      [Op.serveClaim]: (reader, answers) => marks.serve(reader, answers),
      [Op.answer]: (reader) => marks.answer(reader),
      [Op.unclaim]: (reader) => marks.unclaim(reader),
      [Op.revoke]: (reader, _, nowMs) => this.#revocations.revoke(reader, nowMs),
      [Op.prune]: (_, answers, nowMs) => answers.number(this.#prune(nowMs).rows),
      [Op.ping]: () => this.#ping.run(),
    }
  }

  /** Answers each state, and what was lost. */
  #read(reader: ByteReader, answers: AnswerWriter): void {
    for (let n = reader.u32(); n > 0; n--) {
      const state = this.#counters.state(reader.take(32))
      answers.state(state)
      answers.numbers.push(state.lost)
    }
  }
}
