import type { SaleFacts, SaleNote } from '@turnpike/l402/server'
import { expect, it } from 'vitest'
import { createRecorder } from './recorder.ts'

const sale = (byte: string): SaleFacts => ({
  paymentHash: byte.repeat(32),
  tokenId: 'bb'.repeat(32),
  service: 'demo',
  route: '/paid/*',
  amountMsat: 1_000n,
  amountExact: true,
  grants: { calls: 3, creditMsat: null, validSeconds: null },
  callsKey: null,
  endsAtMs: null,
})

it('writes down a sale that comes just as the last one has been written', async () => {
  const noted: string[] = []
  let later: (() => void) | undefined = () => {
    // After the recorder has found its queue empty, and before it rests.
    later = undefined
    queueMicrotask(() => expect(recorder.redeemed(sale('22'))).toBe(true))
  }
  const recorder = createRecorder({
    journal: {
      note: async (notes: readonly SaleNote[]) => {
        noted.push(...notes.map(({ facts }) => facts.paymentHash.slice(0, 2)))
        return [{ type: 'redeemed' } as never]
      },
    },
    subscribers: () => [] as never,
    onEvents: () => later?.(),
    log: { warn: () => {}, error: () => {} },
  })
  expect(recorder.redeemed(sale('11'))).toBe(true)
  await expect.poll(() => noted).toEqual(['11', '22'])
  recorder.close()
})
