import type { CounterUse } from '../ledger.ts'
import { COUNTER_MAX, roomBefore } from '../lib/checks.ts'
import { ByteReader, ByteWriter } from './bytes.ts'

/** A use as it stands in a batch, and in the row of its reservation: key [32], amount, room, flags. */
export const USE_BYTES = 49

const METERED = 1
const CREDITED = 2

/** What a reservation holds of one counter. */
export interface HeldUse {
  /** A view on the bytes it was read from. */
  readonly key: Uint8Array
  readonly metered: boolean
  /** Its counter is an account: the limit is what has been credited. */
  readonly credited: boolean
  amount: bigint
  /** The limit without the amount: most the counter may hold before. Negative: the use never fits. Of an account nothing. */
  room: bigint
}

/** Writes one use. */
export function writeUse(out: ByteWriter, use: CounterUse): void {
  const room = roomBefore(use, COUNTER_MAX)
  const fits = room >= 0n
  out.put(use.key)
  // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
  out.i64(fits ? use.amount : 1n)
  out.i64(fits ? room : -1n)
  out.byte(fits ? (use.metered === true ? METERED : 0) | (use.limit === 'credited' ? CREDITED : 0) : 0)
}

/** Reads one use. */
export function readUse(reader: ByteReader): HeldUse {
  const key = reader.take(32)
  const amount = reader.i64()
  const room = reader.i64()
  const flags = reader.byte()
  return { key, metered: (flags & METERED) !== 0, credited: (flags & CREDITED) !== 0, amount, room }
}

/** The uses of a reservation's row. */
export function unpackUses(bytes: Uint8Array): HeldUse[] {
  const reader = new ByteReader(bytes)
  const uses: HeldUse[] = []
  while (reader.more) uses.push(readUse(reader))
  return uses
}

/** The row's bytes of a reservation that holds other amounts now. */
export function packUses(uses: readonly HeldUse[]): Uint8Array {
  const out = new ByteWriter(uses.length * USE_BYTES)
  for (const { key, amount, room, metered, credited } of uses) {
    out.put(key)
    out.i64(amount)
    out.i64(room)
    out.byte((metered ? METERED : 0) | (credited ? CREDITED : 0))
  }
  return out.take()
}
