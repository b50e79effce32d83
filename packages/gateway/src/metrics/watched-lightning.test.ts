import type { InvoiceBackend } from '@turnpike/l402/lightning'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { expect, it } from 'vitest'
import { watchLightning } from './watched-lightning.ts'

const metrics = { lightning: () => {} }
const OPTIONAL = [
  'invoiceDetails',
  'settlements',
  'cancelInvoice',
  'createHoldInvoice',
  'settleHoldInvoice',
] as const

/** A backend with all that is optional; each answers what it was called on. */
function withAll(): { readonly whole: InvoiceBackend; readonly on: unknown[] } {
  const on: unknown[] = []
  const memory = memoryLightning()
  const whole: InvoiceBackend = {
    network: memory.network,
    invoiceCapabilities: memory.invoiceCapabilities,
    createInvoice: (request) => memory.createInvoice(request),
    lookupInvoice: (hash) => memory.lookupInvoice(hash),
    ping: () => memory.ping(),
    close: () => memory.close(),
    async invoiceDetails() {
      on.push(this)
      return { state: 'open' }
    },
    async *settlements({ after }) {
      on.push(this)
      yield { paymentHash: new Uint8Array(32), amountMsat: 5n, cursor: after ?? 'now' }
    },
    async cancelInvoice() {
      on.push(this)
      return 'cancelled'
    },
    async createHoldInvoice(request) {
      on.push(this)
      return await memory.createInvoice(request)
    },
    async settleHoldInvoice() {
      on.push(this)
    },
  }
  return { whole, on }
}

it('hands on all that the backend can, and calls it on the backend', async () => {
  const { whole, on } = withAll()
  const watched = watchLightning(whole, metrics)
  const hash = new Uint8Array(32)
  expect(await watched.invoiceDetails?.(hash)).toEqual({ state: 'open' })
  expect(await watched.cancelInvoice?.(hash)).toBe('cancelled')
  await watched.createHoldInvoice?.({ amountMsat: 1n, memo: '', expirySeconds: 60, paymentHash: hash })
  await watched.settleHoldInvoice?.(hash)
  const told: string[] = []
  const from = { after: '7', signal: new AbortController().signal }
  for await (const { cursor } of watched.settlements?.(from) ?? []) told.push(cursor)
  expect(told).toEqual(['7'])
  expect(on).toEqual([whole, whole, whole, whole, whole])
})

it.each(OPTIONAL)('has no %s where the backend has none', (name) => {
  const { whole } = withAll()
  const { [name]: _, ...without } = whole
  expect(name in watchLightning(without as InvoiceBackend, metrics)).toBe(false)
  expect(name in watchLightning(whole, metrics)).toBe(true)
})
