import { encodeHex } from '../../core/bytes.ts'
import type { CounterState, NotReserved, Reservation, ReserveRequest } from '../ledger.ts'
import { roomBefore } from '../lib/checks.ts'
import type { RevocationKind } from '../lib/revocations.ts'

/** One use of one counter, ready to be sent. */
export interface Use {
  /** Hex of the counter's key. */
  readonly key: string
  readonly amount: bigint
  /** Most the counter may hold before. Negative: never fits. */
  readonly room: bigint
}

/** How a call ends. */
export interface Pending<T> {
  resolve(value: T): void
  reject(error: unknown): void
}

/** A call of `reserve`. */
export interface ReserveCall extends Pending<Reservation | NotReserved> {
  readonly do: 'reserve'
  readonly request: ReserveRequest
  readonly uses: readonly Use[]
}

/** A call of `serve`, `commit` or `release`. */
export interface EndCall extends Pending<void> {
  readonly do: 'serve' | 'commit' | 'release'
  readonly id: bigint
}

/** A call about no reservation: `ping`, or the end of one that cannot be. */
interface OtherCall extends Pending<void> {
  readonly do: 'ping' | 'nothing'
}

/** A call that can share a statement with others. */
export type BatchCall = ReserveCall | EndCall | OtherCall

/** A call that has a statement of its own. */
export type SingleCall =
  | ({ readonly do: 'read'; readonly keys: readonly string[] } & Pending<readonly CounterState[]>)
  | ({ readonly do: 'revoke'; readonly kind: RevocationKind; readonly key: Uint8Array } & Pending<void>)

/** The uses of a request. */
export function usesOf({ uses }: ReserveRequest): readonly Use[] {
  return uses.map((use) => {
    const room = roomBefore(use)
    // An amount that can never fit may be larger than 64 bits; only that it does not fit matters.
    const [amount, most] = room < 0n ? [1n, -1n] : [use.amount, room]
    return { key: encodeHex(use.key), amount, room: most }
  })
}

/** Uses as a reservation's row holds them, in hex: key [32], amount [8, big-endian], repeated. */
export function usesToHex(uses: readonly Use[]): string {
  return uses.map(({ key, amount }) => key + amount.toString(16).padStart(16, '0')).join('')
}

/** The other way round. */
export function usesFromHex(hex: string): readonly Use[] {
  const count = hex.length / 80
  return Array.from({ length: count }, (_, index) => {
    const at = index * 80
    return { key: hex.slice(at, at + 64), amount: BigInt(`0x${hex.slice(at + 64, at + 80)}`), room: 0n }
  })
}
