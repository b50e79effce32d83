import { encodeHex } from '../../core/bytes.ts'
import type { ReserveRequest } from '../ledger.ts'
import { roomBefore } from '../lib/checks.ts'
import type { RevocationKind } from '../lib/revocations.ts'

/**
 * Operations for the script, as text of one byte per character: a letter, then fixed widths, and lengths before what
 * has none. One argument, so that neither side handles many small ones.
 */

const byte = (n: number): string => String.fromCharCode(n)
const u16 = (n: number): string => byte(n >> 8) + byte(n & 0xff)
const short = (text: string): string => byte(text.length) + text

function raw(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Most a 16-bit count can say. */
const MAX_COUNT = 0xffff

/** Hex digits of an owner, and of the number of a reservation behind it. */
const ID_DIGITS = 28
export const OWNER_DIGITS = 16

function idText(id: bigint): string {
  const text = id.toString(16)
  // What no reservation is called finds none.
  return id < 0n || text.length > ID_DIGITS ? '-'.repeat(ID_DIGITS) : text.padStart(ID_DIGITS, '0')
}

/** A reservation under a number still to be said; `record`: whether the payment must be recorded, as far as is known. */
export function reserveOp({ redemption, uses }: ReserveRequest): (id: bigint, record: boolean) => string {
  const service = Buffer.from(redemption.service, 'utf8').toString('latin1')
  if (uses.length > MAX_COUNT || service.length > MAX_COUNT)
    throw new RangeError('a reservation has at most 65,535 uses, and a service a name of as many bytes')
  let held = ''
  let rooms = ''
  for (const use of uses) {
    const room = roomBefore(use)
    // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
    held += raw(use.key) + short(room < 0n ? '1' : use.amount.toString())
    rooms += short(room < 0n ? '' : room.toString())
  }
  const length = u16(held.length >>> 16) + u16(held.length & 0xffff)
  const who = raw(redemption.paymentHash) + raw(redemption.tokenId) + u16(service.length) + service
  const rest = who + u16(uses.length) + length + held + rooms
  return (id, record) => `R${idText(id)}${byte(record ? 1 : 0)}${rest}`
}

export function settleOp(what: 'serve' | 'commit' | 'release', id: bigint): string {
  return { serve: 'S', commit: 'C', release: 'L' }[what] + idText(id)
}

export function revokeOp(kind: RevocationKind, key: Uint8Array): string {
  const letter = kind === 'token' ? 't' : 'p'
  return `V${letter}${raw(key)}${letter}${encodeHex(key)}`
}

export function readOp(keys: readonly Uint8Array[]): string {
  if (keys.length > MAX_COUNT) throw new RangeError('at most 65,535 counters can be read at once')
  return `G${u16(keys.length)}${keys.map(raw).join('')}`
}

/** Asks for all owners and the numbers of their last calls. */
export const ownersOp = 'O'

/** Ends what an owner held, if it has not called since `seq`. */
export function buryOp(owner: string, seq: string): string {
  return `B${owner}${short(seq)}`
}

/** Ends what the calling owner holds, and the owner. */
export const leaveOp = 'X'

/** The answers of a batch, read one operation after the other. */
export class Answers {
  readonly #words: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#words = text.split(' ')
  }

  next(): string {
    return this.#words[this.#at++] ?? ''
  }

  states(count: number): { used: bigint }[] {
    return Array.from({ length: count }, () => ({ used: BigInt(this.next()) }))
  }
}
