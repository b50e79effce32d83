import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type RevocationKind, RevocationSet } from '../lib/revocations.ts'
import type { ByteReader } from './bytes.ts'

/** A revocation the receiver may not know yet. */
export type Revocation = readonly [kind: RevocationKind, key: Uint8Array]

/** All revocations, as one connection has read them, and what of them is still to be told. */
export class RevocationNews {
  readonly #since: StatementSync
  readonly #insert: StatementSync
  readonly #known = new RevocationSet()
  #seq = 0n
  #news: Revocation[] = []

  constructor(db: DatabaseSync) {
    this.#since = db.prepare('SELECT seq, kind, key FROM revocations WHERE seq > ? ORDER BY seq')
    this.#since.setReadBigInts(true)
    this.#insert = db.prepare('INSERT OR IGNORE INTO revocations(kind, key, at_ms) VALUES (?, ?, ?)')
  }

  has(redemption: { readonly tokenId: Uint8Array; readonly paymentHash: Uint8Array }): boolean {
    return this.#known.has(redemption)
  }

  /** Looks for those by other processes. */
  poll(): void {
    for (const row of this.#since.all(this.#seq)) {
      const kind = row['kind'] as RevocationKind
      const key = row['key'] as Uint8Array
      this.#seq = row['seq'] as bigint
      this.#known.add(kind, key)
      this.#news.push([kind, key])
    }
  }

  revoke(reader: ByteReader, nowMs: number): void {
    this.#insert.run(reader.byte() === 0 ? 'token' : 'payment', reader.take(32), nowMs)
    this.poll()
  }

  /** Those found since the last call. */
  take(): readonly Revocation[] {
    const news = this.#news
    if (news.length > 0) this.#news = []
    return news
  }

  /** After a transaction that failed: what was learnt in it may never have happened. */
  forget(): void {
    this.#known.clear()
    this.#seq = 0n
    this.#news = []
  }
}
