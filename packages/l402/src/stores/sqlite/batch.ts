import { encodeUtf8 } from '../../core/bytes.ts'
import type { Claim, RateUse, Redemption, ReserveRequest } from '../ledger.ts'
import type { RevocationKind } from '../lib/revocations.ts'
import { type ByteReader, ByteWriter } from './bytes.ts'
import { writeUse } from './uses.ts'

/** The operations of a batch. */
export const Op = {
  reserve: 1,
  serve: 2,
  draw: 3,
  commit: 4,
  settle: 5,
  release: 6,
  credit: 7,
  read: 8,
  pace: 9,
  unpace: 10,
  once: 11,
  claim: 12,
  answer: 13,
  unclaim: 14,
  prune: 15,
  revoke: 16,
  ping: 17,
  serveClaim: 18,
} as const

/** Larger limits of a rate count as this. */
const RATE_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * Gathers operations as bytes: one message to the worker, cheap to send, and the uses of a reservation are stored just as
 * they stand in it.
 */
export class BatchWriter {
  readonly #out = new ByteWriter()

  /** Runs `write`; if it throws, nothing of it stays. */
  whole(write: (writer: this) => void): void {
    const before = this.#out.length
    try {
      write(this)
    } catch (error) {
      this.#out.cut(before)
      throw error
    }
  }

  reserve({ redemption, uses }: ReserveRequest): void {
    const out = this.#out
    out.byte(Op.reserve)
    this.#redemption(redemption)
    out.u32(uses.length)
    for (const use of uses) writeUse(out, use)
    for (const { endsAtMs = null } of uses) out.time(endsAtMs)
  }

  end(op: typeof Op.serve | typeof Op.commit | typeof Op.release, id: bigint): void {
    this.#out.byte(op)
    this.#out.i64(id)
  }

  measure(op: typeof Op.draw | typeof Op.settle, id: bigint, actualMsat: bigint): void {
    this.#out.byte(op)
    this.#out.i64(id)
    this.#out.i64(actualMsat)
  }

  credit(redemption: Redemption, amountMsat: bigint): void {
    this.#out.byte(Op.credit)
    this.#redemption(redemption)
    this.#out.i64(amountMsat)
  }

  read(keys: readonly Uint8Array[]): void {
    this.#out.byte(Op.read)
    this.#out.u32(keys.length)
    for (const key of keys) this.#out.put(key)
  }

  pace(op: typeof Op.pace | typeof Op.unpace, rates: readonly RateUse[]): void {
    this.#out.byte(op)
    this.#out.u32(rates.length)
    for (const { key, limit, windowMs, endsAtMs = null } of rates) {
      this.#out.put(key)
      this.#out.i64(limit < RATE_MAX ? limit : RATE_MAX)
      this.#out.f64(windowMs)
      this.#out.time(endsAtMs)
    }
  }

  once(mark: Uint8Array, untilMs: number): void {
    this.#out.byte(Op.once)
    this.#out.put(mark)
    this.#out.f64(untilMs)
  }

  claim({ key, digest, untilMs }: Claim): void {
    this.#out.byte(Op.claim)
    this.#out.put(key)
    this.#out.put(digest)
    this.#out.f64(untilMs)
  }

  answer(op: typeof Op.answer | typeof Op.serveClaim, key: Uint8Array, answer: Uint8Array): void {
    this.#out.byte(op)
    this.#out.put(key)
    this.#out.u32(answer.length)
    this.#out.put(answer)
  }

  unclaim(key: Uint8Array): void {
    this.#out.byte(Op.unclaim)
    this.#out.put(key)
  }

  revoke(kind: RevocationKind, key: Uint8Array): void {
    this.#out.byte(Op.revoke)
    this.#out.byte(kind === 'token' ? 0 : 1)
    this.#out.put(key)
  }

  /** An operation that is about nothing in particular. */
  bare(op: typeof Op.prune | typeof Op.ping): void {
    this.#out.byte(op)
  }

  /** What was gathered; starts anew. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#out.take()
  }

  #redemption({ paymentHash, tokenId, service, endsAtMs = null }: Redemption): void {
    const text = encodeUtf8(service)
    this.#out.put(paymentHash)
    this.#out.put(tokenId)
    this.#out.time(endsAtMs)
    this.#out.u32(text.length)
    this.#out.put(text)
  }
}

/** Who paid, as it stands in a batch. */
export interface BatchRedemption {
  readonly paymentHash: Uint8Array
  readonly tokenId: Uint8Array
  /** UTF-8. */
  readonly service: Uint8Array
  readonly endsMs: number | null
}

/** Reads a redemption. */
export function readRedemption(reader: ByteReader): BatchRedemption {
  const paymentHash = reader.take(32)
  const tokenId = reader.take(32)
  const endsMs = reader.time()
  return { paymentHash, tokenId, endsMs, service: reader.take(reader.u32()) }
}

/** Reads the windows of `pace` and `unpace`. */
export function readRates(reader: ByteReader): readonly RateUse[] {
  return Array.from({ length: reader.u32() }, () => ({
    key: reader.take(32),
    limit: reader.i64(),
    windowMs: reader.f64(),
    endsAtMs: reader.time(),
  }))
}
