import { reservationsKey } from './keys.ts'

const byte = (n: number): string => String.fromCharCode(n)

/** Most a 16-bit count can say. */
export const MAX_COUNT = 0xffff

/** Hex digits of an owner, and of the number of a reservation or claim behind it. */
const ID_DIGITS = 28
export const OWNER_DIGITS = 16

/** 16 bits. */
export function u16(n: number): string {
  return byte(n >>> 8) + byte(n & 0xff)
}

/** 32 bits, of lengths. */
export function u32(n: number): string {
  return u16(n >>> 16) + u16(n & 0xffff)
}

/** A short text, its length before it. */
export function short(value: string | number | bigint): string {
  const text = String(value)
  return byte(text.length) + text
}

/** Bytes as text, one character each. */
export function raw(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The number of a reservation or claim. */
export function idText(id: bigint): string {
  const text = id.toString(16)
  // What no reservation is called finds none.
  return id < 0n || text.length > ID_DIGITS ? '-'.repeat(ID_DIGITS) : text.padStart(ID_DIGITS, '0')
}

/**
 * Operations for the script (operations.ts), as text of one byte per character: a letter, then fixed widths, and lengths
 * before what has none. One argument, so that neither side handles many small ones.
 */
export class Batch {
  readonly #parts: string[] = []
  readonly #owners = new Set<string>()
  readonly #attachments: Buffer[] = []

  constructor(owner: string) {
    this.#owners.add(owner)
  }

  add(operation: string): void {
    this.#parts.push(operation)
  }

  /** The batch is about reservations of this owner, whose key must be declared. */
  about(owner: string): void {
    this.#owners.add(owner)
  }

  /** What the operation just added takes beside the batch. */
  attach(bytes: Uint8Array): void {
    this.#attachments.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** Keys behind those of the ledger. */
  keys(prefix: string): readonly string[] {
    return [...this.#owners].map((owner) => reservationsKey(prefix, owner))
  }

  args(): readonly Buffer[] {
    return [Buffer.from(this.#parts.join(''), 'latin1'), ...this.#attachments]
  }
}

/** Adds an operation to a batch. */
export type Write = (batch: Batch) => void
