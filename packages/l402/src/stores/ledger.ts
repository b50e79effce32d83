/**
 * The seller's books: what each credential has used (protocol §5).
 *
 * A **counter** belongs to one counting caveat and is named by the chain signature just after that caveat, so that
 * copies share it, children are bounded by their parents, and nobody but the holder of a longer chain has a new one.
 * Its limit stands in the (signed) caveat, so the ledger stores only what has been used.
 *
 * Rules (protocol §5), held by every implementation and tested by one contract suite:
 * - rule 2: `spent + reserved ≤ limit`, always; a reservation is one atomic compare-and-add over *all* its counters.
 * - rule 3: every reservation ends in exactly one commit or release. One whose process has died is ended when the ledger
 *   is opened again, or by another process that shares the store: committed if serving had begun, else released.
 * - rule 9: a store that fails throws `store_unavailable`; nothing is acknowledged before it is durable.
 */

/** One counter and what a request wants of it. */
export interface CounterUse {
  /** 32 bytes: the chain signature just after the counting caveat. */
  readonly key: Uint8Array
  /** The caveat's value: most that may ever be used. More than 2^63−1 counts as that. */
  readonly limit: bigint
  /** What this request uses; ≥ 1. */
  readonly amount: bigint
}

/** Who paid, recorded once per payment hash with the first reservation (rule 1). */
export interface Redemption {
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** 32 bytes. */
  readonly tokenId: Uint8Array
  /** The service it opened first. */
  readonly service: string
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

/** What to revoke. */
export type RevocationTarget =
  /** Survives top-ups and re-minting. 32 bytes. */
  | { readonly tokenId: Uint8Array }
  /** One payment only. 32 bytes. */
  | { readonly paymentHash: Uint8Array }

/** The seller's books. */
export interface Ledger {
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
   * The reserved use has happened. Durable when it resolves; a second commit or release of the same id is a no-op.
   * Throws `store_unavailable`.
   */
  commit(id: bigint): Promise<void>
  /**
   * The reserved use has not happened, or not as it was paid for; gives it back, also after {@link serve}. Durable when it
   * resolves; idempotent like {@link commit}.
   */
  release(id: bigint): Promise<void>
  /** How full these counters are; a counter never used is 0. */
  read(keys: readonly Uint8Array[]): Promise<readonly CounterState[]>
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
