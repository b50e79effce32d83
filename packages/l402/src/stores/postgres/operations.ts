import type {
  Claim,
  ClaimOutcome,
  CounterState,
  NotReserved,
  Paced,
  RateUse,
  Redemption,
  Reservation,
  ReserveRequest,
} from '../ledger.ts'
import type { RevocationKind } from '../lib/revocations.ts'
import type { Use } from './uses.ts'

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

/** A call of `credit`. */
export interface CreditCall extends Pending<boolean> {
  readonly do: 'credit'
  readonly redemption: Redemption
  readonly amountMsat: bigint
}

/** A call of `draw`. */
export interface DrawCall extends Pending<boolean> {
  readonly do: 'draw'
  readonly id: bigint
  /** At most 2^63−1. */
  readonly actualMsat: bigint
}

/** A call of `serve`, `commit` or `release`. */
export interface EndCall extends Pending<void> {
  readonly do: 'serve' | 'commit' | 'release'
  readonly id: bigint
  /** Of a commit: what was measured, if it was; at most 2^63−1. */
  readonly actualMsat?: bigint | undefined
}

/** A call about no reservation: `ping`, or the end of one that cannot be. */
interface OtherCall extends Pending<void> {
  readonly do: 'ping' | 'nothing'
}

/** A call that can share a statement with others of its kind. */
export type BatchCall = ReserveCall | CreditCall | DrawCall | EndCall | OtherCall

/** A call of `pace` or `unpace`; they share statements of their own. */
export type WindowCall =
  | ({ readonly do: 'pace'; readonly rates: readonly RateUse[] } & Pending<Paced>)
  | ({ readonly do: 'unpace'; readonly rates: readonly RateUse[] } & Pending<void>)

/** A call of `once`; they share statements of their own. */
export interface OnceCall extends Pending<boolean> {
  readonly do: 'once'
  /** Hex. */
  readonly mark: string
  readonly untilMs: number
}

/** A call about a claim, which has a statement of its own. `key` is hex. */
export type ClaimCall =
  | ({ readonly do: 'claim'; readonly key: string; readonly claim: Claim } & Pending<ClaimOutcome>)
  | ({
      readonly do: 'answer' | 'serveClaim'
      readonly key: string
      readonly answer: Uint8Array
    } & Pending<void>)
  | ({ readonly do: 'unclaim'; readonly key: string } & Pending<void>)

/** Another call that has a statement of its own. */
export type BooksCall =
  | ({ readonly do: 'read'; readonly keys: readonly string[] } & Pending<readonly CounterState[]>)
  | ({ readonly do: 'revoke'; readonly kind: RevocationKind; readonly key: Uint8Array } & Pending<void>)
  | ({ readonly do: 'prune' } & Pending<number>)

/** Any call. */
export type Call = BatchCall | WindowCall | OnceCall | ClaimCall | BooksCall
