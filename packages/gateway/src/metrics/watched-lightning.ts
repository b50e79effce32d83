import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { LightningOperation, Metrics } from './metrics.ts'

/** Times every call of `backend`. */
export function watchLightning(backend: InvoiceBackend, metrics: Pick<Metrics, 'lightning'>): InvoiceBackend {
  const timed = async <T>(operation: LightningOperation, call: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    let ok = false
    try {
      const answer = await call()
      ok = true
      return answer
    } finally {
      metrics.lightning(operation, (performance.now() - startedAt) / 1000, ok)
    }
  }
  const { invoiceDetails, createHoldInvoice, cancelInvoice, settleHoldInvoice, settlements } = backend
  return {
    network: backend.network,
    invoiceCapabilities: backend.invoiceCapabilities,
    createInvoice: (request) => timed('create_invoice', () => backend.createInvoice(request)),
    lookupInvoice: (paymentHash) => timed('lookup_invoice', () => backend.lookupInvoice(paymentHash)),
    ...(invoiceDetails === undefined
      ? {}
      : {
          invoiceDetails: (paymentHash: Uint8Array) =>
            timed('lookup_invoice', () => invoiceDetails.call(backend, paymentHash)),
        }),
    ...(createHoldInvoice === undefined
      ? {}
      : {
          createHoldInvoice: (request: Parameters<typeof createHoldInvoice>[0]) =>
            timed('create_invoice', () => createHoldInvoice.call(backend, request)),
        }),
    ...(cancelInvoice === undefined ? {} : { cancelInvoice: cancelInvoice.bind(backend) }),
    ...(settleHoldInvoice === undefined ? {} : { settleHoldInvoice: settleHoldInvoice.bind(backend) }),
    // A stream has no duration.
    ...(settlements === undefined ? {} : { settlements: settlements.bind(backend) }),
    ping: () => timed('ping', () => backend.ping()),
    close: () => backend.close(),
  }
}
