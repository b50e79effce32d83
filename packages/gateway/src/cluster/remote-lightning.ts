/** The Lightning backend of the main process, as its workers have it. */

import { L402Error } from '@turnpike/l402'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
  InvoiceState,
  Network,
} from '@turnpike/l402/lightning'
import type { MainCalls } from './calls.ts'
import { NoAnswerError, type Peer, RemoteFault } from './rpc.ts'

/** What is known of the backend from the start. */
export interface BackendFacts {
  readonly network: Network
  readonly capabilities: InvoiceCapabilities
}

/** Calls of the node have an end of their own. */
const PATIENCE_MS = 60_000

type HoldRequest = Parameters<NonNullable<InvoiceBackend['createHoldInvoice']>>[0]

/** A backend whose every call goes to the main process. Its faults keep their codes. */
export function remoteLightning(
  main: Peer<MainCalls>,
  { network, capabilities }: BackendFacts,
): InvoiceBackend {
  const cancel = (paymentHash: Uint8Array): Promise<InvoiceState> =>
    translated(main.call('cancelInvoice', paymentHash, PATIENCE_MS))
  const createHold = async (request: HoldRequest): Promise<CreatedInvoice> => {
    const { amountMsat, memo, expirySeconds, paymentHash, signal } = request
    if (signal?.aborted === true) throw aborted()
    const terms = { amountMsat, memo, expirySeconds, paymentHash }
    return translated(main.call('createHoldInvoice', terms, PATIENCE_MS))
  }
  return {
    network,
    invoiceCapabilities: capabilities,
    async createInvoice({ amountMsat, memo, expirySeconds, signal }) {
      if (signal?.aborted === true) throw aborted()
      // An invoice that comes after the caller gave up is never shown to anybody, and expires.
      return translated(main.call('createInvoice', { amountMsat, memo, expirySeconds }, PATIENCE_MS))
    },
    lookupInvoice: (paymentHash) => translated(main.call('lookupInvoice', paymentHash)),
    invoiceDetails: (paymentHash) => translated(main.call('invoiceDetails', paymentHash)),
    ...(capabilities.cancels ? { cancelInvoice: (hash: Uint8Array) => cancel(hash) } : {}),
    ...(capabilities.holds
      ? {
          createHoldInvoice: (request: HoldRequest) => createHold(request),
          settleHoldInvoice: (preimage: Uint8Array) =>
            translated(main.call('settleHoldInvoice', preimage, PATIENCE_MS)),
        }
      : {}),
    ping: () => translated(main.call('pingLightning', undefined)),
    // The main process closes it.
    close: async () => {},
  }
}

function aborted(): L402Error {
  return new L402Error('lightning_unavailable', 'making the invoice was aborted')
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
