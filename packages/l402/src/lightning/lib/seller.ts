/** A seller's backend out of two functions: what a small HTTP API can do, with everything else that the contract asks. */

import { equalBytes } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
} from '../backend.ts'
import { checkCreated, roundUpToSat } from './invoice-facts.ts'
import { assertOpen, beginInvoice, MAX_MSAT } from './invoice-terms.ts'

/** What a kind brings. */
export interface SellerParts {
  /** For messages. */
  readonly who: string
  readonly network: Network
  readonly capabilities: InvoiceCapabilities
  /** Makes an invoice of this (already rounded) amount; answers its text, and its hash where the API names it. */
  readonly create: (
    request: InvoiceRequest,
  ) => Promise<{ readonly invoice: unknown; readonly paymentHash?: Uint8Array | undefined }>
  /** The state, or with it what came in and when (unix seconds), where the API says so. */
  readonly lookup: (paymentHash: Uint8Array) => Promise<InvoiceState | FoundInvoice>
  readonly ping: () => Promise<void>
  /** What could come in over its channels, in millisatoshi; left out where the API never says. */
  readonly receivable?: () => Promise<bigint | null>
  readonly warnings?: readonly string[]
  readonly close?: () => void
}

/** What a look-up has found; a field that is not there is not known. */
interface FoundInvoice {
  readonly state: InvoiceState
  readonly amountMsat?: bigint | undefined
  readonly settledAt?: bigint | undefined
  readonly preimage?: Uint8Array | undefined
}

/** A backend that also tells the details of its invoices. */
type DetailedBackend = InvoiceBackend & Required<Pick<InvoiceBackend, 'invoiceDetails'>>

/** See {@link SellerParts}. */
export function seller(parts: SellerParts): DetailedBackend {
  const { who, network, capabilities, receivable } = parts
  const ended = new AbortController()
  const find = async (paymentHash: Uint8Array): Promise<FoundInvoice> => {
    assertOpen(who, ended.signal)
    const found = await parts.lookup(paymentHash)
    return typeof found === 'string' ? { state: found } : found
  }
  return {
    network,
    invoiceCapabilities: capabilities,
    ...(parts.warnings === undefined ? {} : { warnings: parts.warnings }),
    async createInvoice(request): Promise<CreatedInvoice> {
      beginInvoice(who, request, ended.signal)
      // protocol S7
      const amountMsat = capabilities.exactMsat ? request.amountMsat : roundUpToSat(request.amountMsat)
      const { invoice, paymentHash } = await parts.create({ ...request, amountMsat })
      return checkCreated(who, invoice, { amountMsat, network, paymentHash })
    },
    lookupInvoice: async (paymentHash) => (await find(paymentHash)).state,
    invoiceDetails: async (paymentHash) => detailsOf(await find(paymentHash), paymentHash),
    ...(receivable === undefined
      ? {}
      : {
          async receivableMsat(): Promise<bigint | null> {
            assertOpen(who, ended.signal)
            return await receivable()
          },
        }),
    async ping() {
      assertOpen(who, ended.signal)
      await parts.ping()
    },
    async close() {
      if (!ended.signal.aborted) parts.close?.()
      ended.abort()
    },
  }
}

/** Unix seconds of the last day that a date can be written of in four digits. */
const LAST_SECOND = 253_402_300_799n

/**
 * Details as the contract has them: what came in counts only once it is there. A preimage of another payment is none, an amount
 * beyond all bitcoin and a time beyond all calendars are not known: nodes are taken as hostile.
 */
export function detailsOf(
  { state, amountMsat = 0n, settledAt = 0n, preimage }: FoundInvoice,
  paymentHash: Uint8Array,
): InvoiceDetails {
  const paid = state === 'settled' || state === 'accepted'
  const proves = preimage !== undefined && equalBytes(sha256(preimage), paymentHash)
  return {
    state,
    ...(paid && amountMsat > 0n && amountMsat <= MAX_MSAT ? { amountMsat } : {}),
    ...(state === 'settled' && settledAt > 0n && settledAt <= LAST_SECOND
      ? { settledAt: Number(settledAt) }
      : {}),
    ...(state === 'settled' && proves ? { preimage } : {}),
  }
}

/** For a seller whose credential could also spend what comes in. */
export function mayAlsoPay(who: string, credential: string, enough: string): string {
  return `${who}: its ${credential} can also pay; ${enough} is enough to sell, and whoever steals it can spend nothing`
}
