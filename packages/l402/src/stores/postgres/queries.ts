import { decodeHex } from '../../core/bytes.ts'
import type { CounterState } from '../ledger.ts'
import type { RevocationKind } from '../lib/revocations.ts'
import { array, bytea } from './arrays.ts'
import type { Connection } from './connection.ts'
import { type Use, usesFromHex } from './uses.ts'

/** How full counters (hex of their keys) are. */
export async function readCounters(
  connection: Connection,
  keys: readonly string[],
): Promise<readonly CounterState[]> {
  const rows = await connection.run(
    `SELECT encode(key, 'hex'), used, credited, lost FROM counters WHERE key = ANY($1::bytea[])`,
    [array(keys.map(bytea))],
  )
  const states = new Map(
    rows.map(([key, used, credited, lost]): [unknown, CounterState] => {
      const state = { used: BigInt(used ?? 0) }
      const isAccount = credited !== null && credited !== undefined
      return [key, isAccount ? { ...state, credited: BigInt(credited), lost: BigInt(lost ?? 0) } : state]
    }),
  )
  return keys.map((key) => states.get(key) ?? { used: 0n })
}

/**
 * What reservations were made with. That never changes, so what is answered stays true as long as they are there; what is
 * measured by now the database knows.
 */
export async function usesHeld(
  connection: Connection,
  ids: readonly bigint[],
): Promise<ReadonlyMap<bigint, readonly Use[]>> {
  if (ids.length === 0) return new Map()
  const rows = await connection.run(
    `SELECT id, encode(uses, 'hex'), encode(meters, 'hex') FROM reservations WHERE id = ANY($1::bigint[])`,
    [array(ids)],
  )
  return new Map(
    rows.map(([id, uses, meters]) => [BigInt(id ?? 0), usesFromHex(uses ?? '', meters ?? undefined)]),
  )
}

/** A revocation and its number. */
export type Revocation = readonly [seq: bigint, kind: RevocationKind, key: Uint8Array]

/** All revocations after a number. */
export async function revocationsAfter(connection: Connection, seq: bigint): Promise<readonly Revocation[]> {
  const rows = await connection.run(
    `SELECT seq, kind, encode(key, 'hex') FROM revocations WHERE seq > $1 ORDER BY seq`,
    [seq],
  )
  return rows.map(([number, kind, key]) => [
    BigInt(number ?? 0),
    kind === 'token' ? 'token' : 'payment',
    decodeHex(key ?? '') ?? new Uint8Array(),
  ])
}
