/**
 * The buyer's books: limits, payments and credentials (protocol §7). One purse is shared by all processes of a user.
 *
 * A payment goes `reserved → in_flight → settled | failed | unknown`, and a settled one on to `redeemed` or
 * `not_served`. What could have been spent counts against the budget until it is certain that it was not.
 */

/** A limit over a stretch of time, in millisatoshi, fees included. Absent = no limit of that kind. */
export interface BudgetLimits {
  /** Most for one purchase, fee reserve included. */
  readonly requestMsat?: bigint
  /** Most in any 3,600 seconds. */
  readonly hourMsat?: bigint
  /** Most in any 86,400 seconds. */
  readonly dayMsat?: bigint
  /** Most ever. */
  readonly totalMsat?: bigint
  /** Most payments in any window of `seconds`. */
  readonly count?: { readonly max: number; readonly seconds: number }
  /** A purchase of more than this, fee reserve included, is paid only once it was approved. */
  readonly approveAboveMsat?: bigint
}

/** Where money may go. With `allow` nowhere else, with `deny` not there; deny wins. */
export interface PaymentLists {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

/** What stops paying a host that turned bad. Absent = that breaker is off. */
export interface Breakers {
  /** A price above this many times the last one paid for the same method and path must be approved. */
  readonly priceJump?: number
  /** So many payments within `seconds` that were paid and not served, and the host is not paid any more. */
  readonly unserved?: { readonly max: number; readonly seconds: number }
}

/** The limits in force: one set for everything, and further ones per host, payee and task (all must hold). */
export interface Budget {
  readonly overall: BudgetLimits
  /** Keyed by punycode host name, without port. */
  readonly hosts: Readonly<Record<string, BudgetLimits>>
  /** Keyed by the lower-case hex of the payee's public key. */
  readonly payees?: Readonly<Record<string, BudgetLimits>>
  /** Keyed by the caller's tag. */
  readonly tasks?: Readonly<Record<string, BudgetLimits>>
  /** Hosts that may be paid; `*.example.com` stands for all below it. */
  readonly hostLists?: PaymentLists
  /** Payees that may be paid. */
  readonly payeeLists?: PaymentLists
  readonly breakers?: Breakers
}

/** What is in force until a budget is set: nobody's wallet is without limits. */
export const DEFAULT_BUDGET: Budget = {
  overall: { requestMsat: 1_000_000n, hourMsat: 10_000_000n, dayMsat: 50_000_000n },
  hosts: {},
  breakers: { priceJump: 5, unserved: { max: 5, seconds: 86_400 } },
}

/** Where a purchase stands. */
export type PaymentState =
  /** Budget is held and the intent is durable; the wallet has not been asked yet. */
  | 'reserved'
  /** The wallet may have been asked. From here on only proof of failure frees the budget (rule C3). */
  | 'in_flight'
  | 'settled'
  | 'failed'
  /** Neither proven paid nor proven failed; to be looked up (rule C3). */
  | 'unknown'
  /** Paid for certain, without a preimage (rule C4). */
  | 'paid_unproven'

/** What happened to the resource after paying (rule C8). */
export type ServedState = 'unserved' | 'redeemed' | 'not_served'

/** All that is needed to pay, and to go on after a crash. */
export interface PaymentIntent {
  /** 32 bytes; the primary key of a purchase. */
  readonly paymentHash: Uint8Array
  /** Scheme, punycode host and port, as `URL.origin` gives them (rule C9). */
  readonly origin: string
  readonly host: string
  readonly method: string
  /** The full URL asked for. */
  readonly url: string
  /** SHA-256 of the request body, or `null` without one. */
  readonly bodyDigest: Uint8Array | null
  /** What single-flight and rejection go by; see {@link scopeOf} of the client. */
  readonly scope: string
  /** The macaroon text exactly as received. */
  readonly macaroon: string
  readonly invoice: string
  readonly amountMsat: bigint
  /** Fee reserve: most that may be paid on top. */
  readonly maxFeeMsat: bigint
  /** Lower-case hex of the payee's public key. */
  readonly payee: string
  /** The caller's tag, `''` for none. */
  readonly task: string
  /** Unix milliseconds. */
  readonly createdAtMs: number
  /** Unix seconds when the invoice ends. */
  readonly expiresAt: number
  /** Name of the wallet that is asked to pay; only that one can say that it has not. */
  readonly wallet: string
  /**
   * Unix milliseconds when the order to the wallet is over: from then on a wallet that does not know the payment never
   * got it. Absent in what older programs wrote.
   */
  readonly orderEndsAtMs?: number
  /**
   * Who that wallet was: the surest of its `identities`. Another one under the same name cannot say what became of the
   * payment. No secret. Absent where the wallet does not tell, and in what older programs wrote.
   */
  readonly walletId?: string
}

/** A purchase on the books. */
export interface PaymentRecord extends PaymentIntent {
  readonly state: PaymentState
  readonly served: ServedState
  /** 32 bytes; only once proven (rule C4). */
  readonly preimage: Uint8Array | null
  readonly feeMsat: bigint
  /** HTTP status of the last answer after paying, 0 before. */
  readonly lastStatus: number
  /** Why it failed or is unknown; never a secret. */
  readonly detail: string
  readonly updatedAtMs: number
}

/** A credential in the purse. Holds secrets: never log it (rule C10). */
export interface StoredCredential {
  /** Hex of the first 8 bytes of SHA-256 of macaroon and preimage; safe to show. */
  readonly id: string
  readonly origin: string
  /** The macaroon text exactly as received. */
  readonly macaroon: string
  /** 32 bytes. */
  readonly preimage: Uint8Array
  readonly paymentHash: Uint8Array
  /** Scope it was bought for. */
  readonly boughtFor: string
  /** What it cost, fee included, in millisatoshi. */
  readonly costMsat: bigint
  readonly createdAtMs: number
  readonly lastUsedAtMs: number
  /** Scopes a 402 was answered for (rule C9: rejected there, not deleted). */
  readonly rejectedFor: readonly string[]
}

/** Which limit a payment would break. */
export interface OverBudget {
  readonly ok: false
  /**
   * `request`, `hour`, `day`, `total` or `count`, with `host `, `payee ` or `task ` before it where it is theirs;
   * `unserved` (payments that this host did not serve), `host list` or `payee list` (amounts are 0 there).
   */
  readonly limit: string
  readonly limitMsat: bigint
  /** What would be spent with this payment, fee reserve included. */
  readonly wouldBeMsat: bigint
}

/** A challenge kept to be paid as it stands. Holds the macaroon: never log it (rule C10). */
export interface StoredQuote
  extends Pick<
    PaymentIntent,
    'origin' | 'host' | 'method' | 'url' | 'bodyDigest' | 'macaroon' | 'invoice' | 'createdAtMs' | 'expiresAt'
  > {
  /** Short hex, the beginning of the payment hash. */
  readonly id: string
  /** What was asked for, before redirects. */
  readonly requestUrl: string
}

/** What a purchase costs at most, and where. */
export type Cost = Pick<
  PaymentIntent,
  'host' | 'payee' | 'task' | 'amountMsat' | 'maxFeeMsat' | 'createdAtMs'
>

/** Whose payments are summed: all, or those of one host, payee or task. */
export interface SpentBy {
  readonly host?: string
  readonly payee?: string
  readonly task?: string
}

/** The buyer's books. Faults are `store_unavailable`; nothing is acknowledged before it is durable. */
export interface PurseStore {
  /** The limits set; {@link DEFAULT_BUDGET} where none ever was. */
  budget(): Promise<Budget>
  setBudget(budget: Budget): Promise<void>
  /**
   * Holds the budget and writes the intent in one durable step (rule C3), state `reserved`. Counts as spent: the
   * amount and fee reserve of everything reserved, in flight or unknown, the true cost of everything settled or paid
   * unproven. A payment hash that is on the books already is a fault of the caller (`RangeError`), unless that payment
   * failed: then this attempt takes its place.
   */
  reserve(intent: PaymentIntent, limits: Budget): Promise<{ readonly ok: true } | OverBudget>
  /** What {@link reserve} would answer for this cost; holds nothing. */
  fits(cost: Cost, limits: Budget): Promise<{ readonly ok: true } | OverBudget>
  /** `reserved → in_flight`, durable before the wallet is asked. Answers false if the state was another. */
  beginPaying(paymentHash: Uint8Array): Promise<boolean>
  /** Records a proven payment and puts its credential into the purse, in one step. Checks the preimage (rule C4). */
  settle(
    paymentHash: Uint8Array,
    outcome: { preimage: Uint8Array; feeMsat: bigint },
  ): Promise<StoredCredential>
  /**
   * Before the wallet is asked again for a payment whose end is open: it counts from `nowMs` on, where the limits allow that
   * beside everything else, and is `unknown`. One durable step; where they do not, nothing changes. `RangeError` for one whose
   * end is known.
   */
  renew(
    paymentHash: Uint8Array,
    order: { readonly nowMs: number; readonly orderEndsAtMs: number; readonly detail: string },
    limits: Budget,
  ): Promise<{ readonly ok: true } | OverBudget>
  /** Records another end: frees the budget for `failed`, keeps it for the others. */
  conclude(
    paymentHash: Uint8Array,
    outcome: {
      state: 'failed' | 'unknown' | 'paid_unproven'
      feeMsat?: bigint
      detail: string
    },
  ): Promise<void>
  /** What the server did with the paid credential (rule C8). */
  recordServed(paymentHash: Uint8Array, served: ServedState, httpStatus: number): Promise<void>
  /** Purchases whose outcome is open (reserved, in flight, unknown), of one scope or all. Oldest first. */
  openPayments(scope?: string): Promise<readonly PaymentRecord[]>
  /** Newest first, of one scope or all. */
  payments(limit: number, scope?: string): Promise<readonly PaymentRecord[]>
  payment(paymentHash: Uint8Array): Promise<PaymentRecord | undefined>
  /** Credentials of an origin, newest first; all of them without an origin. */
  credentials(origin?: string): Promise<readonly StoredCredential[]>
  /** Marks one as rejected for a scope; deletes nothing (rule C9). */
  rejectCredential(id: string, scope: string): Promise<void>
  touchCredential(id: string): Promise<void>
  /** Puts a credential in that was bought elsewhere; answers false where it is there already (nothing is changed). */
  addCredential(credential: StoredCredential): Promise<boolean>
  /** Takes a credential out for good, by its owner's word alone (rule C9); answers false where there is none. */
  forgetCredential(id: string): Promise<boolean>
  /** What is remembered of an origin or host under a name: a key, a server's habit. May be a secret: never log it. */
  note(subject: string, name: string): Promise<string | undefined>
  /** Remembers; the same again replaces. */
  setNote(subject: string, name: string, text: string): Promise<void>
  /** From now on the host's payments of before do not count as paid and not served. */
  forgive(host: string): Promise<void>
  /** Keeps a quote; forgets those that ended more than a day ago. The same id again replaces. */
  saveQuote(quote: StoredQuote): Promise<void>
  quote(id: string): Promise<StoredQuote | undefined>
  /**
   * Msat spent or held, over the stretches a budget knows, of everything or of one host (text), payee or task. `count`
   * is over the window of the budget's own count limit, a day where it has none.
   */
  spent(
    of?: string | SpentBy,
  ): Promise<{ hourMsat: bigint; dayMsat: bigint; totalMsat: bigint; count: number }>
  /**
   * Runs `task` while holding the lock of `name`, across all processes that share the purse (rule C5). A lock dies
   * with its process. Waits for another holder; throws when `signal` aborts first.
   */
  withLock<T>(name: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T>
  close(): Promise<void>
}
