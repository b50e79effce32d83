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
  const { invoiceDetails } = backend
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
    ping: () => timed('ping', () => backend.ping()),
    close: () => backend.close(),
  }
}
