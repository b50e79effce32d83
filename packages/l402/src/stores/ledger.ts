/**
 * The seller's books: what each credential has used (protocol §5).
 *
 * A **counter** belongs to one counting caveat and is named by the chain signature just after that caveat, so that
 * copies share it, children are bounded by their parents, and nobody but the holder of a longer chain has a new one.
 * Its limit stands in the (signed) caveat, so the ledger stores only what has been used.
 *
 * An **account** is a counter named by a token id. Its limit is what has been credited to it, in millisatoshi: every
 * payment under that token id adds to it, so a holder who pays again tops the same account up (rule 8).
 *
 * Rules (protocol §5), held by every implementation and tested by one contract suite:
 * - rule 1: one credit per payment hash, in the same transaction as the balance change; the same again is a no-op.
 * - rule 2: `spent + reserved ≤ limit`, always; a reservation is one atomic compare-and-add over *all* its counters.
 * - rule 3: every reservation ends in exactly one commit or release. One whose process has died is ended when the ledger
 *   is opened again, or by another process that shares the store: committed if serving had begun, else released.
 * - rule 9: a store that fails throws `store_unavailable`; nothing is acknowledged before it is durable.
 */

/** One counter and what a request wants of it. */
export interface CounterUse {
  /** 32 bytes: the chain signature just after the counting caveat; of an account, the token id. */
  readonly key: Uint8Array
  /**
   * The caveat's value: most that may ever be used. More than 2^63−1 counts as that. `credited` for an account: what has
   * been credited to it, 0 without any credit.
   */
  readonly limit: bigint | 'credited'
  /** What this request uses; ≥ 1. Of a metered use, the estimate in msat. */
  readonly amount: bigint
  /** Measured in msat: {@link Ledger.draw} and {@link Ledger.commit} set what was really used. False if left out. */
  readonly metered?: boolean
  /**
   * Milliseconds since 1970 from which on no credential can name this counter; `null` or left out: never. An account's
   * end comes with its credits.
   */
  readonly endsAtMs?: number | null
}

/** Who paid, recorded once per payment hash with the first reservation or credit (rule 1). */
export interface Redemption {
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** 32 bytes. */
  readonly tokenId: Uint8Array
  /** The service it opened first. */
  readonly service: string
  /** Milliseconds since 1970 from which on no credential of this payment is good; `null` or left out: never. */
  readonly endsAtMs?: number | null
}

/** A request to use counters. */
export interface ReserveRequest {
  readonly redemption: Redemption
  /** All must have room, or none is touched. At least one. */
  readonly uses: readonly CounterUse[]
}

/** How full a counter is. */
export interface CounterState {
  /** Used and reserved together. */
  readonly used: bigint
  /** Of an account: all that was credited. Left out of a counter that is none. */
  readonly credited?: bigint
  /** Of an account, answered by {@link Ledger.read} alone: msat that were used beyond what it held (rule 5). */
  readonly lost?: bigint
}

/** A held place on the counters of one request. */
export interface Reservation {
  readonly ok: true
  /** Names it in {@link Ledger.commit} and {@link Ledger.release}. */
  readonly id: bigint
  /** The counters after this reservation, in the order of the request. */
  readonly states: readonly CounterState[]
}

/** Why a reservation was not made. */
export interface NotReserved {
  readonly ok: false
  /** Index into `uses` of the first counter without room; or the redemption is revoked. */
  readonly failed: number | 'revoked'
}

/** One sliding window and its limit; see {@link Ledger.pace}. */
export interface RateUse {
  /** 32 bytes: the chain signature just after the `_rate` caveat. */
  readonly key: Uint8Array
  /** Most requests in any window; from 0. More than 2^53−1 counts as that. */
  readonly limit: bigint
  /** Length of the window in milliseconds; ≥ 1, at most 2^50. */
  readonly windowMs: number
  /** Milliseconds since 1970 from which on no credential can name this window; `null` or left out: never. */
  readonly endsAtMs?: number | null
}

/** Whether all windows had room. */
export type Paced =
  | {
      readonly ok: true
      /** How many more requests each window admits right now, in the order of the request; from 0. */
      readonly left: readonly number[]
    }
  | {
      readonly ok: false
      /** Index of the first window without room. */
      readonly failed: number
      /** Milliseconds until that window has room; ≥ 1. */
      readonly retryAfterMs: number
    }

/** A request that must have one outcome however often it is sent (rule 10). */
export interface Claim {
  /** 32 bytes that stand for credential, route and `Idempotency-Key`. */
  readonly key: Uint8Array
  /** 32 bytes that stand for everything the outcome depends on: method, path, body. */
  readonly digest: Uint8Array
  /** Milliseconds since 1970 until which the outcome is kept. */
  readonly untilMs: number
}

/**
 * What becomes of a claim.
 * - `claimed`: it is the caller's to execute, and to end with `answer` or `unclaim`
 * - `running`: somebody executes it right now
 * - `other`: the key stands for another request
 * - `answered`: it has been executed; this came of it
 */
export type ClaimOutcome =
  | { readonly state: 'claimed' | 'running' | 'other' }
  | { readonly state: 'answered'; readonly answer: Uint8Array }

/** What to revoke. */
export type RevocationTarget =
  /** Survives top-ups and re-minting. 32 bytes. */
  | { readonly tokenId: Uint8Array }
  /** One payment only. 32 bytes. */
  | { readonly paymentHash: Uint8Array }

/** The seller's books. */
export interface Ledger {
  /**
   * Puts what a payment has bought on the account of its token id, once per payment hash however often and wherever it is
   * asked (rule 1). Answers whether it was put there now. Throws `store_unavailable`.
   */
  credit(redemption: Redemption, amountMsat: bigint): Promise<boolean>
  /** Compare-and-add over all counters at once, durable when it resolves. Throws `store_unavailable`. */
  reserve(request: ReserveRequest): Promise<Reservation | NotReserved>
  /**
   * Serving begins: from here on the use counts even if this process dies, because the client may have seen some of the
   * resource. Durable when it resolves; await it before the first byte goes out. Throws `store_unavailable`, also when
   * the reservation has ended: committed or released, or given back because this process was taken for dead (it stood
   * still for too long, say, or the store was restored from a backup). Then nothing may be served for it.
   */
  serve(id: bigint): Promise<void>
  /**
   * What is being served has come to `actualMsat` by now, and goes on: sets the metered uses to that, as far as every one
   * of their counters has room, and never below what they held. Answers whether all of it fitted. Rejects like
   * {@link serve}.
   */
  draw(id: bigint, actualMsat: bigint): Promise<boolean>
  /**
   * The reserved use has happened. With `actualMsat` the metered uses are set to that: the rest of the estimate is given
   * back, and what goes beyond the room of their counters is recorded on the account as lost (rule 5). Durable when it
   * resolves; a second commit or release of the same id is a no-op. Throws `store_unavailable`.
   */
  commit(id: bigint, actualMsat?: bigint): Promise<void>
  /**
   * The reserved use has not happened, or not as it was paid for; gives it back, also after {@link serve}. Durable when it
   * resolves; idempotent like {@link commit}.
   */
  release(id: bigint): Promise<void>
  /** How full these counters are; a counter never used is 0. */
  read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]>
  /**
   * Admits one more request to each of these windows, or to none (protocol §5, `_rate`): fewer than `limit` were admitted
   * in the last `windowMs`. Windows of more than 64 requests may let a request wait a 63rd of the window longer, never
   * shorter. Times that a clock set back left in the future count. Throws `store_unavailable`.
   */
  pace(rates: readonly RateUse[]): Promise<Paced>
  /** Takes the newest request out of these windows again: it was refused for another reason. Throws `store_unavailable`. */
  unpace(rates: readonly RateUse[]): Promise<void>
  /** Whether this mark (32 bytes) is seen for the first time; remembers it until `untilMs`. Throws `store_unavailable`. */
  once(mark: Uint8Array, untilMs: number): Promise<boolean>
  /**
   * Begins a request that must have one outcome (rule 10). A claim whose process has died before {@link serveClaim} is
   * nobody's any more. Throws `store_unavailable`.
   */
  claim(claim: Claim): Promise<ClaimOutcome>
  /**
   * The request of a claim of this ledger is being served, which cannot be undone: should this process die before
   * {@link answer} or {@link unclaim}, `ifLost` is what came of it. Durable when it resolves; await it before
   * {@link serve}. Throws `store_unavailable`, also when the claim is no longer this ledger's (see `serve`).
   */
  serveClaim(key: Uint8Array, ifLost: Uint8Array): Promise<void>
  /** Keeps the outcome of a claim of this ledger, whose meaning is the caller's. No-op without one. Throws `store_unavailable`. */
  answer(key: Uint8Array, answer: Uint8Array): Promise<void>
  /** Gives up a claim of this ledger: nothing has happened, and it may be executed again. No-op without one. */
  unclaim(key: Uint8Array): Promise<void>
  /**
   * Removes what nothing can refer to any more: counters, accounts and redemptions a day after their end, windows two
   * hours after they are empty or a day after their end, whichever comes first, marks and outcomes as long after their time. What is reserved is never touched. The
   * ledger does it by itself every minute, a bounded number of rows at a time; answers how many rows this call removed.
   */
  prune(): Promise<number>
  /** Revokes for good, on every process that shares the store, within a second. */
  revoke(target: RevocationTarget): Promise<void>
  /**
   * Whether a credential is revoked. Synchronous and cheap (asked on every request): answers from a copy in memory
   * that is at most a second old (protocol §4).
   */
  isRevoked(redemption: { readonly tokenId: Uint8Array; readonly paymentHash: Uint8Array }): boolean
  /** Changes whenever a revocation becomes known here; lets a cache of verdicts skip `isRevoked`. */
  readonly revocationEpoch: number
  /** Throws `store_unavailable` when the books could not be written right now. For readiness probes. */
  ping(): Promise<void>
  /** Finishes what is queued and lets go of the store. */
  close(): Promise<void>
}
