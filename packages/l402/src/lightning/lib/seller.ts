/** A seller's backend out of two functions: what a small HTTP API can do, with everything else that the contract asks. */

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
import { assertOpen, beginInvoice } from './invoice-terms.ts'

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
    async createInvoice(request): Promise<CreatedInvoice> {
      beginInvoice(who, request, ended.signal)
      // protocol S7
      const amountMsat = capabilities.exactMsat ? request.amountMsat : roundUpToSat(request.amountMsat)
      const { invoice, paymentHash } = await parts.create({ ...request, amountMsat })
      return checkCreated(who, invoice, { amountMsat, network, paymentHash })
    },
    lookupInvoice: async (paymentHash) => (await find(paymentHash)).state,
    invoiceDetails: async (paymentHash) => detailsOf(await find(paymentHash)),
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

/** Details as the contract has them: what came in counts only once it is there. */
export function detailsOf({ state, amountMsat, settledAt, preimage }: FoundInvoice): InvoiceDetails {
  const paid = state === 'settled' || state === 'accepted'
  return {
    state,
    ...(paid && amountMsat !== undefined && amountMsat > 0n ? { amountMsat } : {}),
    ...(state === 'settled' && settledAt !== undefined && settledAt > 0n
      ? { settledAt: Number(settledAt) }
      : {}),
    ...(state === 'settled' && preimage !== undefined ? { preimage } : {}),
  }
}
