import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { RateUse } from '../ledger.ts'
import {
  forgettableAt,
  leftOf,
  logged,
  type RateEntry,
  type RateLog,
  unlogged,
  waitOf,
} from '../lib/rate-log.ts'
import type { AnswerWriter } from './answers.ts'
import { readRates } from './batch.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { nameOf } from './counters.ts'

/** Time and count of one entry of a log. */
const ENTRY_BYTES = 16

interface Window {
  readonly key: Uint8Array
  log: RateLog
  /** The last that changed it; `undefined` if none did. */
  rate: RateUse | undefined
}

/** The sliding windows that one transaction touches; like {@link Counters}, each is read once and written once. */
export class Windows {
  readonly #read: StatementSync
  readonly #write: StatementSync
  readonly #remove: StatementSync
  readonly #touched = new Map<string, Window>()

  constructor(db: DatabaseSync) {
    this.#read = db.prepare('SELECT log FROM windows WHERE key = ?')
    this.#write = db.prepare(
      'INSERT INTO windows VALUES (?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET log = ?2, forget_at_ms = ?3',
    )
    this.#remove = db.prepare('DELETE FROM windows WHERE key = ?')
  }

  /**
   * Answers the index of the window without room and the milliseconds until it has some; or −1, and what is left of each.
   */
  pace(reader: ByteReader, answers: AnswerWriter, nowMs: number): void {
    const rates = readRates(reader)
    for (const [index, rate] of rates.entries()) {
      const wait = waitOf(this.#touch(rate.key).log, rate, nowMs)
      if (wait <= 0) continue
      answers.number(index)
      answers.number(wait)
      return
    }
    for (const rate of rates) this.#change(rate, (log) => logged(log, rate, nowMs))
    answers.number(-1)
    for (const rate of rates) answers.number(leftOf(this.#touch(rate.key).log, rate, nowMs))
  }

  unpace(reader: ByteReader): void {
    for (const rate of readRates(reader)) this.#change(rate, unlogged)
  }

  /** Before the transaction's end. */
  writeBack(): void {
    for (const { key, log, rate } of this.#touched.values()) {
      if (rate === undefined) continue
      if (log.length === 0) this.#remove.run(key)
      else this.#write.run(key, pack(log), forgettableAt(log, rate))
    }
    this.#touched.clear()
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#touched.clear()
  }

  #change(rate: RateUse, change: (log: RateLog) => RateLog): void {
    const window = this.#touch(rate.key)
    window.log = change(window.log)
    window.rate = rate
  }

  #touch(key: Uint8Array): Window {
    const name = nameOf(key)
    let window = this.#touched.get(name)
    if (window === undefined) {
      const row = this.#read.get(key)
      window = { key, log: row === undefined ? [] : unpack(row['log'] as Uint8Array), rate: undefined }
      this.#touched.set(name, window)
    }
    return window
  }
}

function pack(log: RateLog): Uint8Array {
  const out = new ByteWriter(log.length * ENTRY_BYTES)
  for (const { atMs, count } of log) {
    out.f64(atMs)
    out.f64(count)
  }
  return out.take()
}

function unpack(bytes: Uint8Array): RateLog {
  const reader = new ByteReader(bytes)
  const log: RateEntry[] = []
  while (reader.more) log.push({ atMs: reader.f64(), count: reader.f64() })
  return log
}
