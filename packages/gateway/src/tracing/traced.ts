/** The ledger and the Lightning backend with their steps in the traces. */

import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { Ledger } from '../metrics/watched.ts'
import type { Tracing } from './tracing.ts'

/** Reserving is what a request waits for before it goes on. */
export function traceLedger(ledger: Ledger, tracing: Pick<Tracing, 'step'> | undefined): Ledger {
  if (tracing === undefined) return ledger
  const traced: Pick<Ledger, 'reserve' | 'credit'> = {
    reserve: (request) => tracing.step('ledger.reserve', () => ledger.reserve(request)),
    credit: (redemption, amountMsat) =>
      tracing.step('ledger.credit', () => ledger.credit(redemption, amountMsat)),
  }
  return overlaid(ledger, traced)
}

/** Making an invoice is what a challenge waits for. */
export function traceLightning(
  backend: InvoiceBackend,
  tracing: Pick<Tracing, 'step'> | undefined,
): InvoiceBackend {
  if (tracing === undefined) return backend
  return overlaid(backend, {
    createInvoice: (request) =>
      tracing.step('lightning.create_invoice', () => backend.createInvoice(request)),
  })
}

/** `base`, but for the methods of `own`; everything else, getters included, is asked of `base` itself. */
function overlaid<T extends object>(base: T, own: Partial<T>): T {
  return new Proxy(base, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
