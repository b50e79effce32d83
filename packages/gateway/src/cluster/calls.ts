/** What the main process and its workers ask each other. */

import type {
  CreatedInvoice,
  InvoiceCapabilities,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  Network,
} from '@turnpike/l402/lightning'
import type { ChallengedSale, LimitAsk, MasterKey, SaleFacts } from '@turnpike/l402/server'
import type { Config } from '../config/config.ts'
import type { OpenHold } from '../holds/hold-journal.ts'
import type { MetricValues } from '../metrics/metrics.ts'

/** A configuration and what belongs to it. */
export interface Orders {
  readonly config: Config
  /** The newest last. */
  readonly keys: readonly MasterKey[]
  /** Of the built-in sample API, where a service uses it. */
  readonly sampleUrl: string | undefined
}

/** Orders for a worker that begins, and what it has to know of the backend that it reaches through the main process. */
export interface FirstOrders extends Orders {
  readonly network: Network
  readonly capabilities: InvoiceCapabilities
}

/** What a worker is asked. */
export interface WorkerCalls {
  /** Begins to serve; answers the public URLs with real ports. */
  readonly start: (orders: FirstOrders) => Promise<readonly string[]>
  /** Builds what `commit` puts in force. What cannot be built is a fault, and changes nothing. */
  readonly prepare: (orders: Orders) => Promise<void>
  readonly commit: (nothing: undefined) => Promise<void>
  readonly metrics: (nothing: undefined) => Promise<MetricValues>
  /** Opens log files anew. */
  readonly reopen: (nothing: undefined) => Promise<void>
  /** Drains and ends; answers whether all that ran was finished. */
  readonly stop: (nothing: undefined) => Promise<boolean>
}

/** What the main process is asked. */
export interface MainCalls {
  readonly createInvoice: (request: Omit<InvoiceRequest, 'signal'>) => Promise<CreatedInvoice>
  readonly lookupInvoice: (paymentHash: Uint8Array) => Promise<InvoiceState>
  readonly invoiceDetails: (paymentHash: Uint8Array) => Promise<InvoiceDetails>
  /** As `InvoiceBackend`, where it can. */
  readonly createHoldInvoice: (
    request: Omit<InvoiceRequest, 'signal'> & { readonly paymentHash: Uint8Array },
  ) => Promise<CreatedInvoice>
  readonly settleHoldInvoice: (preimage: Uint8Array) => Promise<void>
  readonly cancelInvoice: (paymentHash: Uint8Array) => Promise<InvoiceState>
  /** As `HoldJournal`; `worker` is who sees the payment through. */
  readonly addHold: (asked: { readonly worker: number; readonly hold: OpenHold }) => Promise<void>
  readonly endHold: (paymentHash: string) => Promise<void>
  readonly pingLightning: (nothing: undefined) => Promise<void>
  /** As `LimitAuthority`: counts all of these or none; answers the milliseconds to wait, 0 for none. */
  readonly takeLimits: (asks: readonly LimitAsk[]) => Promise<number>
  readonly giveBackLimits: (asks: readonly LimitAsk[]) => Promise<void>
  /** As `SalesWatcher`. */
  readonly saleChallenged: (sale: ChallengedSale) => Promise<void>
  readonly saleRedeemed: (sale: SaleFacts) => Promise<boolean>
  readonly saleExhausted: (sale: SaleFacts) => Promise<void>
}
