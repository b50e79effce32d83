import type { InvoiceBackend, InvoiceState } from '@turnpike/l402/lightning'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { expect, it } from 'vitest'
import { createHoldDesk } from './hold-desk.ts'

it('keeps a quarter of its places for one client network, and gives them back (S10)', async () => {
  let state: InvoiceState = 'open'
  const lightning: InvoiceBackend = { ...memoryLightning(), lookupInvoice: async () => state }
  const desk = createHoldDesk({
    lightning,
    journal: { found: [], add: async () => {}, done: async () => {}, close: async () => {} },
    plane: () => ({ listener: () => {} }),
    preimageOf: () => undefined,
    warn: () => {},
    most: 8,
    pollMs: 1,
  })
  let count = 0
  const keep = (clientAddress: string): Promise<boolean> => {
    const bytes = new Uint8Array(32).fill(++count)
    const request = { method: 'POST', url: '/x', lines: [], peer: '192.0.2.1', clientAddress } as const
    return desk.keep(
      { ...request, scheme: 'http', body: Buffer.alloc(0) },
      {
        tokenId: bytes,
        paymentHash: bytes,
        preimage: bytes,
        macaroon: '',
        expiresAt: Date.now() / 1000 + 600,
      },
    )
  }
  const kept = [await keep('198.51.100.7'), await keep('198.51.100.8'), await keep('198.51.100.9')]
  expect(kept).toEqual([true, true, false])
  for (const network of [1, 1, 2, 2, 3, 3]) expect(await keep(`203.0.${network}.9`)).toBe(true)
  expect(await keep('192.0.2.9')).toBe(false)
  state = 'cancelled'
  await expect.poll(() => desk.open).toBe(0)
  expect(await keep('198.51.100.7')).toBe(true)
  await desk.stop(0)
})
