import { encodeHex } from '../../core/bytes.ts'
import type { ReserveRequest } from '../ledger.ts'
import { COUNTER_MAX, roomBefore } from '../lib/checks.ts'

/** One use of one counter, ready to be sent. */
export interface Use {
  /** Hex of the counter's key. */
  readonly key: string
  /** What was reserved. */
  readonly amount: bigint
  /** Most the counter may hold before. Negative: never fits. `undefined`: it is an account, and its credit decides. */
  readonly room: bigint | undefined
  /** Of a measured use: most the counter may hold; of an account 0. */
  readonly limit: bigint | undefined
  /** When the counter ends, in milliseconds since 1970; `null`: never, or not by this use. */
  readonly endsAtMs: number | null
}

/** The uses of a request. */
export function usesOf({ uses }: ReserveRequest): readonly Use[] {
  return uses.map((use): Use => {
    const key = encodeHex(use.key)
    const { amount, metered = false, endsAtMs = null } = use
    if (use.limit === 'credited' && amount <= COUNTER_MAX)
      return { key, amount, room: undefined, limit: metered ? 0n : undefined, endsAtMs: null }
    const room = roomBefore(use)
    // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
    if (room < 0n) return { key, amount: 1n, room: -1n, limit: undefined, endsAtMs }
    return { key, amount, room, limit: metered ? room + amount : undefined, endsAtMs }
  })
}

/** Whether these uses are of counted calls alone. */
function areCalls(uses: readonly Use[]): boolean {
  return uses.every(({ room, limit }) => room !== undefined && limit === undefined)
}

/** Whether a part of these uses is measured. */
export function areMeasured(uses: readonly Use[]): boolean {
  return uses.some(({ limit }) => limit !== undefined)
}

const wide = (n: bigint): string => n.toString(16).padStart(16, '0')

/** Uses as a reservation's row holds them, in hex: key [32], amount [8, big-endian], repeated. */
export function usesToHex(uses: readonly Use[]): string {
  return uses.map(({ key, amount }) => key + wide(amount)).join('')
}

/**
 * What a reservation's row holds besides, in hex: kind [1] (1 measured, 2 of an account, 3 both), limit [8, big-endian],
 * for each use. `undefined` for calls alone.
 */
export function metersToHex(uses: readonly Use[]): string | undefined {
  if (areCalls(uses)) return undefined
  return uses
    .map(({ room, limit }) => {
      const kind = (limit === undefined ? 0 : 1) + (room === undefined ? 2 : 0)
      return `0${kind}${wide(limit ?? 0n)}`
    })
    .join('')
}

/** Both, the other way round. What cannot be needed to end a reservation is made up. */
export function usesFromHex(uses: string, meters: string | undefined): readonly Use[] {
  return Array.from({ length: uses.length / 80 }, (_, index): Use => {
    const [key, amount] = [
      uses.slice(index * 80, index * 80 + 64),
      uses.slice(index * 80 + 64, index * 80 + 80),
    ]
    const meter = meters?.slice(index * 18, index * 18 + 18) ?? '0'.repeat(18)
    const kind = Number(meter.slice(0, 2))
    return {
      key,
      amount: BigInt(`0x${amount}`),
      room: kind >= 2 ? undefined : 0n,
      limit: kind % 2 === 1 ? BigInt(`0x${meter.slice(2)}`) : undefined,
      endsAtMs: null,
    }
  })
}
