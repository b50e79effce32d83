import { decodeHex } from '../../core/bytes.ts'
import type { CounterState } from '../ledger.ts'
import type { RevocationKind } from '../lib/revocations.ts'
import type { Connection } from './connection.ts'
import { type Use, usesFromHex } from './operations.ts'

const byteas = (keys: readonly string[]): string => `{${keys.map((key) => `"\\\\x${key}"`).join(',')}}`

/** How full counters (hex of their keys) are. */
export async function readCounters(
  connection: Connection,
  keys: readonly string[],
): Promise<readonly CounterState[]> {
  const rows = await connection.run(
    `SELECT encode(key, 'hex'), used FROM counters WHERE key = ANY($1::bytea[])`,
    [byteas(keys)],
  )
  const used = new Map(rows.map(([key, value]) => [key, BigInt(value ?? 0)]))
  return keys.map((key) => ({ used: used.get(key) ?? 0n }))
}

/** What reservations hold. A reservation's uses never change, so what is answered stays true as long as it is there. */
export async function usesHeld(
  connection: Connection,
  ids: readonly bigint[],
): Promise<ReadonlyMap<bigint, readonly Use[]>> {
  if (ids.length === 0) return new Map()
  const rows = await connection.run(
    `SELECT id, encode(uses, 'hex') FROM reservations WHERE id = ANY($1::bigint[])`,
    [`{${ids.join(',')}}`],
  )
  return new Map(rows.map(([id, uses]) => [BigInt(id ?? 0), usesFromHex(uses ?? '')]))
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
