/** A seller's backend out of two functions: what a small HTTP API can do, with everything else that the contract asks. */

import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
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
  readonly lookup: (paymentHash: Uint8Array) => Promise<InvoiceState>
  readonly ping: () => Promise<void>
  readonly close?: () => void
}

/** See {@link SellerParts}. */
export function seller(parts: SellerParts): InvoiceBackend {
  const { who, network, capabilities } = parts
  const ended = new AbortController()
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
    async lookupInvoice(paymentHash) {
      assertOpen(who, ended.signal)
      return await parts.lookup(paymentHash)
    },
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
