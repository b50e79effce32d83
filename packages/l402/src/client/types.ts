/**
 * What the paying client takes and answers. Refusals are values here; `payingFetch` maps them to
 * a `Response` or an `L402Error`. Nothing in this file ever carries a macaroon, preimage or key (rule C10).
 */

import type { Network } from '../core/network.ts'
import type { PaymentReceipt } from '../core/payment-scheme/receipt.ts'
import type { PaymentBackend } from '../lightning/backend.ts'
import type { Budget, OverBudget, PurseStore } from '../stores/purse.ts'
import type { Approve, PaymentHook, ProposedPurchase } from './proposal.ts'

/** Options of {@link buyer} and of `payingFetch`. */
export interface BuyerOptions {
  /** Where the money comes from. A function is called at the first payment or look-up, not before. */
  readonly wallet: PaymentBackend | (() => Promise<PaymentBackend>)
  /**
   * Name of the wallet in the books, so that an open payment is only ever concluded by the wallet that was asked for
   * it. Default `''`.
   */
  readonly walletName?: string
  /** The books: limits, payments, credentials. */
  readonly purse: PurseStore
  /** Limits in force; default: the purse's own. */
  readonly budget?: Budget
  /** Most that all purchases of this buyer may cost together, fees included. Only lowers the budget; 0n pays nothing. */
  readonly maxMsat?: bigint
  /** Tag of what the purchases are for; limits of the budget may go by it. Default none. */
  readonly task?: string
  /** Asked where the budget wants a purchase approved. Without it such a purchase is refused. */
  readonly approve?: Approve
  /** A purchase of more than this, fee reserve included, must be approved. Only lowers the budget's own. */
  readonly approveAboveMsat?: bigint
  /** Milliseconds to wait for an approval; default 120,000. */
  readonly approvalTimeoutMs?: number
  /** Sees every purchase before it is paid, and may forbid it. */
  readonly hook?: PaymentHook
  /** Milliseconds to wait for the hook; default 10,000. */
  readonly hookTimeoutMs?: number
  /** Uses what is in the purse and never pays. */
  readonly noPay?: boolean
  /** Networks whose invoices are paid; default: the wallet's only. */
  readonly networks?: readonly Network[]
  /** Which hosts (punycode, without port) may be paid at all; default: every one. Asked on every redirect hop. */
  readonly allowHost?: (host: string) => boolean
  /** Fee reserve in msat for an amount in msat; default {@link defaultFeeReserve}. */
  readonly feeReserve?: (amountMsat: bigint) => bigint
  /** Milliseconds until a payment's outcome is given up as unknown; default 60,000. */
  readonly paymentTimeoutMs?: number
  /** Redirects followed by hand (rule C7); default 10. */
  readonly maxRedirects?: number
  /** Whether a hop at another host than the one asked for may be paid; default true, by that host's own limits. */
  readonly payOtherHosts?: boolean
  /** Buys once more where the server did not serve what was paid (rule C8); default false. */
  readonly secondPurchase?: boolean
  /**
   * What to do where the request has an `Authorization` of its own (rule C6): refuse before paying (default), or send
   * the credential beside it as `Macaroon:` (rule V3), which not every server reads.
   */
  readonly ownAuthorization?: 'refuse' | 'macaroon-header'
  /**
   * Sends a copy of the credential that is narrowed to the request: good for a minute, this method and this path. Default
   * true. Where a server refuses such a copy, it gets the credential as it was bought, then and later.
   */
  readonly attenuate?: boolean
  /**
   * Binds what is bought to a key of the purse (RFC 9449) where the server offers that, so that a stolen credential is
   * worth nothing. Default true. What is bound already is proven in any case.
   */
  readonly dpop?: boolean
  /** Reads a body that is a stream into memory first, so that it can be sent again (rule C6); default false. */
  readonly bufferStreams?: boolean
  /** Default: the platform's. It is called with a URL text and `redirect: 'manual'`. */
  readonly fetch?: typeof globalThis.fetch
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
  /** Told what happens, as it happens. What it throws is ignored. */
  readonly onEvent?: (event: PurchaseEvent) => void
}

/** A request that can be sent any number of times with the same bytes, if it is replayable. */
export interface PreparedRequest {
  readonly url: URL
  readonly method: string
  /** Never changed; every sending copies it. */
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null
  /** False only where the body is a stream. */
  readonly replayable: boolean
  readonly redirect: 'follow' | 'manual' | 'error'
  /** Aborts the HTTP exchange and the waiting; never a payment under way (rule C3). */
  readonly signal: AbortSignal | null
  /** What else `fetch` was given (`credentials`, `dispatcher`, …). */
  readonly init: RequestInit
  /** Bodies of answers are read by other means than these; whoever reads them tells `delivered`. Default false. */
  readonly bodyElsewhere?: boolean
}

/** Why policy does not pay: `fare` exit code 3. */
export type PolicyReason =
  /** `noPay`, or `maxMsat` of zero. */
  | 'no_pay'
  /** A limit of the budget; see `overBudget`. */
  | 'over_budget'
  /** `maxMsat` of this buyer. */
  | 'over_max'
  | 'host_not_allowed'
  | 'payee_not_allowed'
  /** The host took money too often and did not serve. */
  | 'host_suspended'
  /** The budget wants it approved, and there is nobody to ask. */
  | 'approval_required'
  /** Not approved, or not in time. */
  | 'approval_denied'
  /** The price is far above the last one paid, and there is nobody to ask. */
  | 'price_jump'
  /** The hook denied it, or did not answer. */
  | 'hook_denied'
  /** A redirect led from https to http (rule C7). */
  | 'downgrade'
  /** The request has its own `Authorization` (rule C6). */
  | 'own_authorization'
  /** The body is a stream that cannot be sent again (rule C6). */
  | 'not_replayable'
  /** The wallet gives no preimage back, so no L402 can be bought with it. */
  | 'wallet_unfit'
  /** No such quote, or it is for another request. */
  | 'quote_mismatch'

/** Why a challenge is not payable: `fare` exit code 8 (rule C2). */
export type ChallengeReason =
  /** 402 without a challenge in its header that this purse pays; one that stands only in the body is not paid. */
  | 'no_challenge'
  | 'malformed'
  | 'wrong_network'
  | 'no_amount'
  /** The invoice's payment hash is not the macaroon's, or not what the charge names. */
  | 'hash_mismatch'
  /** A charge of the Payment scheme names another amount than its invoice. */
  | 'amount_mismatch'
  /** The invoice, or the credential it would buy, ends too soon. */
  | 'expired'
  /** This invoice is on the books already: it is never paid twice. */
  | 'already_used'

/** What a 402 asks for, decoded from its invoice; texts from outside hold no control characters. */
export interface Offer {
  /** What is bought: an L402 credential, or one call by a charge of the Payment scheme. */
  readonly scheme: 'L402' | 'Payment'
  /** Lower-case hex. */
  readonly paymentHash: string
  readonly amountMsat: bigint
  /** Fee reserve: most that would be paid on top. */
  readonly maxFeeMsat: bigint
  /** Lower-case hex of the payee's public key. */
  readonly payee: string
  readonly network: Network
  /** Unix seconds when the invoice, or a charge before it, ends. */
  readonly expiresAt: number
  readonly description: string | null
  /** Caveats of the macaroon as text; empty where it is not a macaroon this library reads. */
  readonly caveats: readonly string[]
}

/** One purchase that this run made or finished. */
export interface Purchase {
  /** Lower-case hex. */
  readonly paymentHash: string
  readonly origin: string
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  /** Id in the purse, safe to show. */
  readonly credentialId: string
  /** Paid by an earlier run and found paid now: not spent by this one. */
  readonly resumed: boolean
}

interface OutcomeBase {
  /** Where the last answer came from, after redirects. */
  readonly url: string
  /** Purchases of this call, in order. */
  readonly purchases: readonly Purchase[]
}

/** How a request ended. The exit code of `fare` stands with each kind. */
export type FetchOutcome =
  /** The answer to hand on, whatever its status (exit 0, or 22 with `--fail`). */
  | (OutcomeBase & {
      readonly kind: 'served'
      readonly response: Response
      /** The credential the answer was given for, if any. */
      readonly credentialId: string | null
      /** Whether that credential was bought before this call. */
      readonly reused: boolean
      /** What the server says it was paid, where that is this payment; only beside an answer of 2xx. */
      readonly receipt: PaymentReceipt | null
    })
  /** Paid, now or earlier, and not served (exit 6, rule C8). The credential is kept and presented first next time. */
  | (OutcomeBase & {
      readonly kind: 'not_served'
      /** `null` where the connection failed. */
      readonly response: Response | null
      readonly credentialId: string
      readonly paymentHash: string
      readonly detail: string
      readonly cause?: unknown
    })
  /** Paid for certain, without a preimage that proves it (exit 6, rule C4). */
  | (OutcomeBase & { readonly kind: 'paid_unproven'; readonly paymentHash: string; readonly detail: string })
  /** Policy does not pay (exit 3). */
  | (OutcomeBase & {
      readonly kind: 'refused'
      readonly reason: PolicyReason
      readonly detail: string
      readonly offer: Offer | null
      readonly overBudget: OverBudget | null
      /** The 402, unread; `null` where nothing was sent. */
      readonly response: Response | null
    })
  /** The server's challenge is not payable (exit 8). */
  | (OutcomeBase & {
      readonly kind: 'unpayable'
      readonly reason: ChallengeReason
      readonly detail: string
      readonly offer: Offer | null
      /** The 402, unread; `null` where nothing was sent (a quote that has expired). */
      readonly response: Response | null
    })
  /** The payment failed for certain; nothing was spent (exit 4). */
  | (OutcomeBase & { readonly kind: 'payment_failed'; readonly paymentHash: string; readonly detail: string })
  /** Not known whether it was paid; it is looked up next time, never repeated (exit 5, rule C3). */
  | (OutcomeBase & {
      readonly kind: 'payment_unknown'
      readonly paymentHash: string
      readonly detail: string
    })
  /** The wallet could not be reached; nothing was sent (exit 7). */
  | (OutcomeBase & { readonly kind: 'wallet_unreachable'; readonly detail: string; readonly cause?: unknown })

/** A price asked for and kept, to be paid as it stands. */
export interface Quote extends Offer {
  /** Short hex; `payQuote` takes it. */
  readonly id: string
  readonly method: string
  /** What was asked for. */
  readonly requestUrl: string
  /** What answered 402, after redirects. */
  readonly url: string
  /** Why this buyer would not pay it now, or `null` where it would. */
  readonly refusal: {
    readonly kind: 'refused' | 'unpayable'
    readonly reason: PolicyReason | ChallengeReason
    readonly detail: string
    readonly overBudget: OverBudget | null
  } | null
  /** Why somebody would be asked to approve it; `null` where nobody would. */
  readonly asks: ProposedPurchase['asks']
  /** A credential in the purse that may open the URL without paying. */
  readonly heldCredentialId: string | null
}

/** How asking for a price ended. Nothing is ever paid, and no wallet asked. */
export type QuoteOutcome =
  | { readonly kind: 'quote'; readonly quote: Quote; readonly response: Response }
  /** Any answer but 402: it costs nothing, or is not there. */
  | { readonly kind: 'no_charge'; readonly url: string; readonly response: Response }
  | (Extract<FetchOutcome, { kind: 'unpayable' }> & { readonly response: Response })

/** What {@link Buyer.recover} found of one open payment. */
export interface Recovered {
  /** Lower-case hex. */
  readonly paymentHash: string
  readonly origin: string
  readonly url: string
  readonly amountMsat: bigint
  readonly state: 'settled' | 'failed' | 'paid_unproven' | 'unknown'
  readonly detail: string
  /** Its owner has given it up, and it is unknown still. */
  readonly writtenOff: boolean
}

/** Buys. One buyer is one run: `maxMsat` counts over all its calls. */
export interface Buyer {
  /**
   * Fetches, paying when it must. Throws what `fetch` throws as long as nothing was paid, the signal's reason when
   * aborted, and `store_unavailable`.
   */
  fetch(request: PreparedRequest): Promise<FetchOutcome>
  /** Sends the request unpaid and keeps what it would cost. */
  quote(request: PreparedRequest): Promise<QuoteOutcome>
  /** Pays exactly the quoted invoice and fetches; sends nothing before it is paid. The request must be the quoted one. */
  payQuote(id: string, request: PreparedRequest): Promise<FetchOutcome>
  /** Looks every open payment up and finishes what can be finished. */
  recover(): Promise<readonly Recovered[]>
  /** Msat this buyer has spent or holds. */
  readonly spentMsat: bigint
}

/** What happens while buying; for `--events` and logs. URLs come without query. */
export type PurchaseEvent =
  | {
      readonly type: 'request'
      readonly method: string
      readonly url: string
      readonly credentialId: string | null
    }
  | { readonly type: 'response'; readonly url: string; readonly status: number }
  | { readonly type: 'redirect'; readonly url: string; readonly to: string; readonly status: number }
  | { readonly type: 'credential_rejected'; readonly credentialId: string; readonly scope: string }
  | ({ readonly type: 'challenge'; readonly url: string } & Offer)
  | { readonly type: 'refused'; readonly reason: PolicyReason | ChallengeReason; readonly detail: string }
  | { readonly type: 'waiting'; readonly scope: string }
  | {
      readonly type: 'asking'
      readonly paymentHash: string
      readonly asks: NonNullable<ProposedPurchase['asks']>
    }
  | {
      readonly type: 'reserved'
      readonly paymentHash: string
      readonly amountMsat: bigint
      readonly maxFeeMsat: bigint
    }
  | { readonly type: 'paying'; readonly paymentHash: string; readonly amountMsat: bigint }
  | ({ readonly type: 'paid' } & Purchase)
  | { readonly type: 'payment_failed'; readonly paymentHash: string; readonly detail: string }
  | { readonly type: 'payment_unknown'; readonly paymentHash: string; readonly detail: string }
  | { readonly type: 'paid_unproven'; readonly paymentHash: string; readonly detail: string }
  | { readonly type: 'served'; readonly status: number; readonly credentialId: string | null }
  | { readonly type: 'not_served'; readonly status: number; readonly paymentHash: string }
