/** The Lightning backend of the main process, as its workers have it. */

import { L402Error } from '@turnpike/l402'
import type { InvoiceBackend, InvoiceCapabilities, Network } from '@turnpike/l402/lightning'
import type { MainCalls } from './calls.ts'
import { NoAnswerError, type Peer, RemoteFault } from './rpc.ts'

/** What is known of the backend from the start. */
export interface BackendFacts {
  readonly network: Network
  readonly capabilities: InvoiceCapabilities
}

/** A backend whose every call goes to the main process. Its faults keep their codes. */
export function remoteLightning(
  main: Peer<MainCalls>,
  { network, capabilities }: BackendFacts,
): InvoiceBackend {
  return {
    network,
    invoiceCapabilities: capabilities,
    async createInvoice({ amountMsat, memo, expirySeconds, signal }) {
      if (signal?.aborted === true)
        throw new L402Error('lightning_unavailable', 'making the invoice was aborted')
      // An invoice that comes after the caller gave up is never shown to anybody, and expires.
      return translated(main.call('createInvoice', { amountMsat, memo, expirySeconds }, 60_000))
    },
    lookupInvoice: (paymentHash) => translated(main.call('lookupInvoice', paymentHash)),
    invoiceDetails: (paymentHash) => translated(main.call('invoiceDetails', paymentHash)),
    ping: () => translated(main.call('pingLightning', undefined)),
    // The main process closes it.
    close: async () => {},
  }
}

async function translated<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof NoAnswerError || error instanceof RemoteFault)
      throw new L402Error('lightning_unavailable', `the Lightning backend was not reached: ${error.message}`)
    throw error
  }
}
