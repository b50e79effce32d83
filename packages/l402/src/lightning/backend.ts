/**
 * What the rest of the code needs of Lightning: making invoices, and paying them. Backends differ in what they
 * can do; code asks their capability flags, never their name.
 */

import type { Network } from '../core/network.ts'

export type { Network } from '../core/network.ts'

/** What a seller asks for. */
export interface InvoiceRequest {
  /** Exact price in millisatoshi, > 0 (rule S7: amountless invoices are never made). */
  readonly amountMsat: bigint
  /** The invoice's description, ≤ 639 bytes of UTF-8. */
  readonly memo: string
  /** Seconds from now until the invoice can no longer be paid. */
  readonly expirySeconds: number
  /** Gives up when aborted; the backend then throws `lightning_unavailable`. */
  readonly signal?: AbortSignal
}

/** An invoice that a backend made. */
export interface CreatedInvoice {
  /** BOLT 11 text. */
  readonly invoice: string
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** The invoice's amount: the asked one, or rounded up to a satoshi where the backend cannot do better (S7). */
  readonly amountMsat: bigint
  /** Unix seconds. */
  readonly expiresAt: number
}

/**
 * What a backend knows of an invoice of its own. `accepted`: paid, and held until it is settled or cancelled (hold
 * invoices only). `unknown`: it never made such an invoice.
 */
export type InvoiceState = 'open' | 'accepted' | 'settled' | 'cancelled' | 'expired' | 'unknown'

/** What a backend knows of an invoice of its own. A field is left out where the backend does not say. */
export interface InvoiceDetails {
  readonly state: InvoiceState
  /** What came in (`settled`) or is held (`accepted`), in millisatoshi; it may be more than was asked for. */
  readonly amountMsat?: bigint
  /** Unix seconds at which it was settled. */
  readonly settledAt?: number
  /**
   * 32 bytes, once it is settled. A secret: it opens what was bought, and goes to nobody but the browser that the invoice was
   * shown to.
   */
  readonly preimage?: Uint8Array
}

/** An invoice that has been paid. */
export interface Settlement {
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** What came in, in millisatoshi. */
  readonly amountMsat: bigint
  /** Where to go on after this one: give it as `after`. Opaque text of the backend's own. */
  readonly cursor: string
}

/** Which settlements to be told of. */
export interface SettlementsFrom {
  /** The cursor of the last settlement that was dealt with; left out: only those from now on. */
  readonly after?: string
  /** Ends the stream. */
  readonly signal: AbortSignal
}

/** Amounts of single invoices, in millisatoshi, both > 0 and both within. Left out: no bound. */
export interface AmountLimits {
  readonly leastMsat?: bigint
  readonly mostMsat?: bigint
}

/** What a seller's backend can do. */
export interface InvoiceCapabilities {
  /** Makes invoices of exact millisatoshi amounts; else whole satoshis, rounded up. */
  readonly exactMsat: boolean
  /** Can say whether an invoice has been settled. */
  readonly looksUp: boolean
  /** Its invoices expire when asked for, give or take some minutes; else when it likes. Left out: yes. */
  readonly setsExpiry?: boolean
  /** Tells of settlements as they happen, also of those it was not listening for (`settlements`). Left out: no. */
  readonly subscribes?: boolean
  /** Takes an unpaid invoice back (`cancelInvoice`). Left out: no. */
  readonly cancels?: boolean
  /** Holds what is paid until it is settled or cancelled (`createHoldInvoice`, `settleHoldInvoice`). Left out: no. */
  readonly holds?: boolean
  /** Which amounts it makes invoices for, where it has bounds of its own. As they were when it was opened. */
  readonly amounts?: AmountLimits
}

/**
 * Makes invoices. Every method throws `L402Error` `lightning_unavailable` (not reached, refused; nothing happened)
 * or `lightning_invalid` (an answer that breaks the contract); no error holds a secret.
 */
export interface InvoiceBackend {
  readonly network: Network
  readonly invoiceCapabilities: InvoiceCapabilities
  createInvoice(request: InvoiceRequest): Promise<CreatedInvoice>
  /** State of an invoice this backend made, by its 32-byte payment hash. */
  lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState>
  /** Like `lookupInvoice`, with what came in and when, as far as the backend says so. */
  invoiceDetails?(paymentHash: Uint8Array): Promise<InvoiceDetails>
  /**
   * Settled invoices from a point on, each once and in order, until the signal ends it. Never reads a node's whole
   * history. Throws `lightning_unavailable` when the connection is lost: go on after the last cursor.
   */
  settlements?(from: SettlementsFrom): AsyncIterable<Settlement>
  /** Makes an invoice unpayable; answers the state it is in then (`settled` where the payer was quicker). */
  cancelInvoice?(paymentHash: Uint8Array): Promise<InvoiceState>
  /** An invoice whose preimage is the caller's: what is paid is `accepted` until settled or cancelled. */
  createHoldInvoice?(request: InvoiceRequest & { readonly paymentHash: Uint8Array }): Promise<CreatedInvoice>
  /** Takes what an accepted hold invoice holds. */
  settleHoldInvoice?(preimage: Uint8Array): Promise<void>
  /**
   * Millisatoshi that could come in over all channels together, before reserves and fees; one payment may find less. `null`
   * where the node does not say, or the credential does not allow to ask.
   */
  receivableMsat?(): Promise<bigint | null>
  /** What an operator should know of how it is set up: a credential that allows more than it has to. Left out: nothing. */
  readonly warnings?: readonly string[]
  /** Throws `lightning_unavailable` when invoices could not be made right now. Cheap; for readiness probes. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** What a buyer asks a wallet for. */
export interface PayRequest {
  /** BOLT 11 text, already checked by the pay gate (rule C2). */
  readonly invoice: string
  /** 32 bytes; must be the invoice's own. */
  readonly paymentHash: Uint8Array
  /** The invoice's amount in millisatoshi. */
  readonly amountMsat: bigint
  /** Most that may be paid on top, in millisatoshi. */
  readonly maxFeeMsat: bigint
  /** Milliseconds after which the outcome is given up as `unknown` (it is looked up later, never repeated). */
  readonly timeoutMs: number
  /** The invoice names no amount, and `amountMsat` is what is paid. Left out: such an invoice is refused (rule C2). */
  readonly anyAmount?: true
}

/**
 * How a payment stands. `unknown` is everything that is neither proven paid nor proven failed: a time-out, a lost
 * connection, a node that does not answer (rule C3). `not_found` means the wallet has never sent this payment.
 */
export type PaymentOutcome =
  | { readonly status: 'paid'; readonly preimage: Uint8Array; readonly feeMsat: bigint }
  /** Paid for certain, and the wallet does not say by which preimage (rule C4: paid, unproven). */
  | { readonly status: 'paid_unproven'; readonly feeMsat: bigint }
  | { readonly status: 'failed'; readonly detail: string }
  | { readonly status: 'pending' }
  | { readonly status: 'unknown'; readonly detail: string }
  | { readonly status: 'not_found' }

/** What a buyer's wallet can do. */
export interface PaymentCapabilities {
  /** Gives the preimage back. Without it no L402 can be bought. */
  readonly returnsPreimage: boolean
  /** Holds `maxFeeMsat`; else the purse has to reserve for the worst. */
  readonly capsFees: boolean
  /** Finds a payment by its hash, so that an unknown one can be resumed. */
  readonly looksUp: boolean
  /** Pays exact millisatoshi; left out: yes. */
  readonly exactMsat?: boolean
  /** Says what there is to spend. Left out: yes. */
  readonly tellsBalance?: boolean
  /** Pays invoices without an amount what it is told to (`anyAmount`). Left out: no. */
  readonly paysAnyAmount?: boolean
}

/** Pays invoices. */
export interface PaymentBackend {
  readonly network: Network
  readonly paymentCapabilities: PaymentCapabilities
  /**
   * Pays, at most once per payment hash: a second call for the same hash answers with the first one's outcome.
   * Never throws for a payment's fate. Throws `lightning_unavailable` only when the payment was certainly not sent.
   */
  pay(request: PayRequest): Promise<PaymentOutcome>
  /** How the payment with this 32-byte hash stands. */
  lookupPayment(paymentHash: Uint8Array): Promise<PaymentOutcome>
  /** Spendable millisatoshi, or `null` where the wallet does not say. */
  balanceMsat(): Promise<bigint | null>
  /**
   * Who this wallet is, the surest first: the node's public key or the account's id where it can be asked, else a digest of its
   * address. No secret. As long as one of them stays, it is the same wallet. Never rejects. Left out: it cannot be told.
   */
  identities?(): Promise<readonly string[]>
  /** Throws `lightning_unavailable` when nothing could be paid right now. Pays nothing. */
  ping?(): Promise<void>
  close(): Promise<void>
}
