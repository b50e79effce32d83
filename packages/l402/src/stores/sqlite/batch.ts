import { encodeUtf8 } from '../../core/bytes.ts'
import type { ReserveRequest } from '../ledger.ts'
import { roomBefore } from '../lib/checks.ts'
import type { RevocationKind } from '../lib/revocations.ts'

/**
 * A batch of operations as bytes: one message to the worker, cheap to send, and the uses of a reservation are stored
 * just as they stand in it. Little-endian, in memory only.
 */
export const Op = { reserve: 1, commit: 2, release: 3, revoke: 4, read: 5, ping: 6, serve: 7 } as const

/** A use: key [32], amount, most the counter may hold before. */
export const USE_BYTES = 48
const FIRST_BYTES = 16_384

/** Gathers operations. */
export class BatchWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  reserve({ redemption, uses }: ReserveRequest): void {
    const service = encodeUtf8(redemption.service)
    this.#room(73 + service.length + uses.length * USE_BYTES)
    this.#byte(Op.reserve)
    this.#u32(uses.length)
    this.#u32(service.length)
    this.#put(redemption.paymentHash)
    this.#put(redemption.tokenId)
    this.#put(service)
    for (const use of uses) {
      const room = roomBefore(use)
      this.#put(use.key)
      // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
      this.#i64(room < 0n ? 1n : use.amount)
      this.#i64(room < 0n ? -1n : room)
    }
  }

  settle(op: typeof Op.serve | typeof Op.commit | typeof Op.release, id: bigint): void {
    this.#room(9)
    this.#byte(op)
    this.#i64(id)
  }

  revoke(kind: RevocationKind, key: Uint8Array): void {
    this.#room(34)
    this.#byte(Op.revoke)
    this.#byte(kind === 'token' ? 0 : 1)
    this.#put(key)
  }

  read(keys: readonly Uint8Array[]): void {
    this.#room(5 + keys.length * 32)
    this.#byte(Op.read)
    this.#u32(keys.length)
    for (const key of keys) this.#put(key)
  }

  ping(): void {
    this.#room(1)
    this.#byte(Op.ping)
  }

  /** What was gathered, in its own buffer; starts anew. */
  take(): Uint8Array<ArrayBuffer> {
    const batch = this.#bytes.slice(0, this.#at)
    this.#at = 0
    return batch
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(2 * (this.#at + bytes))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }

  #byte(value: number): void {
    this.#bytes[this.#at++] = value
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  #i64(value: bigint): void {
    this.#view.setBigInt64(this.#at, value, true)
    this.#at += 8
  }

  #put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }
}

/** Reads a batch, or the stored uses of a reservation, in order. */
export class BatchReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get more(): boolean {
    return this.#at < this.#bytes.length
  }

  byte(): number {
    return this.#view.getUint8(this.#at++)
  }

  u32(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  i64(): bigint {
    this.#at += 8
    return this.#view.getBigInt64(this.#at - 8, true)
  }

  take(length: number): Uint8Array {
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
