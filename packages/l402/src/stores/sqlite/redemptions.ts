import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { BatchRedemption } from './batch.ts'
import { nameOf } from './counters.ts'

/** Payment hashes known to be recorded, so that the statement is left out; about 4 MiB when full. */
const RECORDED_MAX = 32_768

/** Who has paid: one row per payment hash (rule 1). */
export class Redemptions {
  readonly #insert: StatementSync
  readonly #recorded = new Set<string>()

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare('INSERT OR IGNORE INTO redemptions VALUES (?, ?, ?, ?, ?)')
  }

  /** With a reservation: that it is recorded is remembered. */
  record(redemption: BatchRedemption, nowMs: number): void {
    const hash = nameOf(redemption.paymentHash)
    if (this.#recorded.has(hash)) return
    this.recordNow(redemption, nowMs)
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.add(hash)
  }

  /** With a credit: always asks the file, which may have been restored or edited. Answers whether it was not yet there. */
  recordNow({ paymentHash, tokenId, service, endsMs }: BatchRedemption, nowMs: number): boolean {
    const text = new TextDecoder().decode(service)
    return this.#insert.run(paymentHash, tokenId, text, nowMs, endsMs).changes === 1
  }

  /** After a transaction that failed, or one that removed rows. */
  forget(): void {
    this.#recorded.clear()
  }
}
