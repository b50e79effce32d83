/**
 * The seller's journal: what was sold, to show to whoever sold it. One row for each payment hash, written after payment
 * (rule S10) and off the way of requests; what a credential may still use is the ledger's alone.
 *
 * Rules, held by every implementation and tested by one contract suite:
 * - Facts are merged: what is known stays, so the same note again, or by another process, changes nothing.
 * - Every event of a payment happens once, in the same transaction as the row it is about; so do the letters to those who
 *   want to hear of it.
 * - Nothing is acknowledged before it is durable; a store that fails throws `store_unavailable`, and nothing was done.
 * - Ids are lower-case hex. Nothing in it is a credential.
 */

/** What may happen to a sale. */
export type SaleEventType = 'settled' | 'redeemed' | 'exhausted' | 'refunded' | 'revoked'

/** What one payment bought, as its route said. */
export interface SoldGrants {
  readonly calls: number | null
  readonly creditMsat: bigint | null
  readonly validSeconds: number | null
}

/** What is known of a payment by whoever notes it. */
export interface SaleFacts {
  /** 64 hex digits. */
  readonly paymentHash: string
  /** 64 hex digits. */
  readonly tokenId: string
  readonly service: string
  /** As the operator wrote it, e.g. `GET /forecast/*`. */
  readonly route: string
  /** What was paid; `null`: not known. */
  readonly amountMsat: bigint | null
  /** Whether the amount is the invoice's; else it is what the route cost when the credential came first. */
  readonly amountExact: boolean
  readonly grants: SoldGrants
  /** Names the counter of the calls that were sold, 64 hex digits; `null`: none, or not known yet. Never shown. */
  readonly callsKey: string | null
  /** Milliseconds since 1970 from which on nothing of it is good; `null`: never, or not known yet. */
  readonly endsAtMs: number | null
}

/** One payment. Times are milliseconds since 1970; `null`: has not happened. */
export interface Sale extends SaleFacts {
  /** Its place in the journal. */
  readonly seq: number
  readonly settledAtMs: number
  readonly redeemedAtMs: number | null
  /** Since when its last use up to now is refused for being used up. */
  readonly exhaustedAtMs: number | null
  readonly revokedAtMs: number | null
  readonly refundedAtMs: number | null
  /** Calls given back in all. */
  readonly refundedCalls: number
  /** Credit given back in all. */
  readonly refundedMsat: bigint
}

/** Which of several states a sale is shown in: the last that it came to. */
export type SaleState = 'settled' | 'redeemed' | 'exhausted' | 'refunded' | 'revoked'

/** Something that happened to a sale, just now. */
export interface SaleEvent {
  /** Unique for ever. */
  readonly id: string
  readonly type: SaleEventType
  readonly atMs: number
  readonly sale: Sale
  /** Of `refunded`. */
  readonly refund?: Refund
}

/** Who wants to hear of which events: names of receivers by event. */
export type Subscribers = Readonly<Partial<Record<SaleEventType, readonly string[]>>>

/** A note on one payment. */
export interface SaleNote {
  readonly type: 'settled' | 'redeemed' | 'exhausted'
  readonly facts: SaleFacts
  readonly atMs: number
}

/** What is given back for one payment. */
export interface Refund {
  /** 64 hex digits, the caller's: the same again is the same refund. Also the payment hash its credit has in the ledger. */
  readonly key: string
  readonly paymentHash: string
  readonly tokenId: string
  /** Calls of a bundle, credit of an account, or a mere note on a pass, of which nothing is counted. */
  readonly kind: 'calls' | 'credit' | 'note'
  /** Calls, or msat; of a note what was paid back outside, in msat. */
  readonly amount: bigint
  readonly reason: string
  /** Name of the admin token. */
  readonly by: string
  readonly atMs: number
  /** Whether the ledger has it. */
  readonly applied: boolean
}

/** What comes of asking for a refund. */
export type RefundOutcome =
  | { readonly outcome: 'recorded' | 'known'; readonly refund: Refund; readonly sale: Sale }
  /** The key stands for another refund. */
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'unknown_payment' }
  | { readonly outcome: 'revoked' }
  /** More than the most that may still be given back. */
  | { readonly outcome: 'too_much'; readonly most: bigint }

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Goes on from here; `null`: that was all. */
  readonly next: string | null
}

/** Which sales to list, the newest first. */
export interface SalesQuery {
  /** 1 to 1,000. */
  readonly limit: number
  readonly cursor?: string
  readonly service?: string
  readonly state?: SaleState
  /** Beginning of a payment hash, in hex. */
  readonly search?: string
}

/** Which tokens to list, the newest first; with `search` by their id. */
export interface TokensQuery {
  readonly limit: number
  readonly cursor?: string
  readonly service?: string
  /** Beginning of a token id, in hex. */
  readonly search?: string
}

/** One token and its payments, the oldest first; in a list of tokens at most 100 of them. */
export interface SoldToken {
  readonly tokenId: string
  readonly sales: readonly Sale[]
}

/** What one route sold in one hour. */
export interface HourOfSales {
  /** Milliseconds since 1970. */
  readonly hourMs: number
  readonly service: string
  readonly route: string
  readonly sales: number
  readonly amountMsat: bigint
}

/** Something an operator did. */
export interface AuditEntry {
  readonly atMs: number
  /** Name of the admin token. */
  readonly who: string
  /** The operation, e.g. `revoke`. */
  readonly what: string
  /** What it was done to; never a secret. */
  readonly subject: string
  /** The status it was answered with. */
  readonly status: number
}

/** What will have been sold if an invoice that is out is paid. */
export interface OpenSale {
  readonly facts: SaleFacts
  /** Milliseconds since 1970 until which it can be paid. */
  readonly payableUntilMs: number
}

/** A message to a receiver that was not taken yet. */
export interface Letter {
  /** Names it in {@link Journal.delivered} and {@link Journal.postpone}. */
  readonly key: string
  readonly receiver: string
  /** The event's id: the same with every attempt. */
  readonly eventId: string
  readonly type: SaleEventType
  readonly tokenId: string
  readonly body: string
  readonly createdAtMs: number
  /** Attempts so far, the one that it is taken for included. */
  readonly attempts: number
}

/** A letter that was given up. */
export interface DeadLetter extends Letter {
  readonly diedAtMs: number
  /** Why the last attempt failed, in a few words. */
  readonly why: string
}

/** The seller's journal. */
export interface Journal {
  /** Merges these facts; answers what happened by that. Throws `store_unavailable`. */
  note(notes: readonly SaleNote[], subscribers: Subscribers): Promise<readonly SaleEvent[]>
  /** Marks payments as revoked: one, or all of a token. */
  revoked(
    target: { readonly tokenId: string } | { readonly paymentHash: string },
    options: { readonly atMs: number; readonly subscribers: Subscribers },
  ): Promise<readonly SaleEvent[]>
  /**
   * Records a refund that the ledger does not have yet; `most` is how much may be given back in all for this payment (of
   * credit: for its token).
   */
  refund(refund: Omit<Refund, 'applied'>, most: bigint): Promise<RefundOutcome>
  /** The ledger has it now. Once: answers the event, or `undefined` if it was known. */
  refundApplied(
    key: string,
    options: { readonly atMs: number; readonly subscribers: Subscribers },
  ): Promise<SaleEvent | undefined>
  /** Refunds that the ledger may not have: their process died in between. At most 100. */
  pendingRefunds(): Promise<readonly Refund[]>
  refundsOf(paymentHash: string): Promise<readonly Refund[]>
  sale(paymentHash: string): Promise<Sale | undefined>
  sales(query: SalesQuery): Promise<Page<Sale>>
  token(tokenId: string): Promise<SoldToken | undefined>
  tokens(query: TokensQuery): Promise<Page<SoldToken>>
  /** Hours with sales in `fromMs ≤ hour < toMs`, the oldest first; at most 10,000. */
  hours(span: { readonly fromMs: number; readonly toMs: number }): Promise<readonly HourOfSales[]>
  audit(entry: AuditEntry): Promise<void>
  /** The newest first. */
  audits(query: { readonly limit: number; readonly cursor?: string }): Promise<Page<AuditEntry>>
  /**
   * Takes letters whose time has come, at most one of each receiver and token, and keeps others from taking them for
   * `leaseMs`. A letter waits for all before it of its receiver and token.
   */
  take(options: {
    readonly receivers: readonly string[]
    readonly nowMs: number
    readonly leaseMs: number
    readonly limit: number
  }): Promise<readonly Letter[]>
  /** When the next letter of these receivers is due; `null`: there is none. */
  nextDueMs(receivers: readonly string[]): Promise<number | null>
  /** The receiver has it. */
  delivered(key: string, nowMs: number): Promise<void>
  /** The attempt failed: it is tried again at `atMs`, or given up (`null`), and the next one of its token goes on. */
  postpone(
    key: string,
    options: { readonly atMs: number | null; readonly nowMs: number; readonly why: string },
  ): Promise<void>
  /** The newest first. */
  deadLetters(query: { readonly limit: number; readonly cursor?: string }): Promise<Page<DeadLetter>>
  /** Puts a dead letter in the queue again, behind what waits for its token; answers whether it was there. */
  redeliver(eventId: string, options: { readonly receiver: string; readonly nowMs: number }): Promise<boolean>
  /** Letters that wait, and how many were dropped because too many did. */
  outbox(): Promise<{ readonly waiting: number; readonly dropped: number; readonly dead: number }>
  /**
   * Remembers invoices that are out, so that one that is paid while nobody looks is known afterwards; those that are sold
   * already are left out. At most `most` are kept: those that end first go first. Not part of making a challenge (rule
   * S10): nobody waits for it, and it is bounded.
   */
  keepOpen(open: readonly OpenSale[], options: { readonly most: number }): Promise<void>
  /** What is remembered of an invoice; it is forgotten once it is noted as sold. */
  openSale(paymentHash: string): Promise<OpenSale | undefined>
  /** Those that are remembered and end before `endBeforeMs` (left out: all), the first to end first. `limit` 1 to 1,000. */
  openSales(query: {
    readonly limit: number
    readonly cursor?: string
    readonly endBeforeMs?: number
  }): Promise<Page<OpenSale>>
  /** These will not be paid any more. */
  forgetOpen(paymentHashes: readonly string[]): Promise<void>
  /** Where to go on listening to a node, by a name of 1 to 64 plain characters; `undefined`: never kept. */
  nodeCursor(node: string): Promise<string | undefined>
  /** Keeps it; at most 4,096 characters. Everything before it must be durable already. */
  keepNodeCursor(node: string, cursor: string): Promise<void>
  /**
   * Removes sales, hours, refunds and audits that are older than `beforeMs`, and letters as old, at most 1,000 of each;
   * answers how many rows went. A payment that still opens something and comes again is then a new row.
   */
  prune(beforeMs: number): Promise<number>
  close(): Promise<void>
}
