import { expect, it } from 'vitest'
import { detailsOf } from './seller.ts'

it('tells what came in only of invoices that were paid, and a time only of those that are settled', () => {
  const found = { amountMsat: 5n, settledAt: 1_800_000_000n }
  expect(detailsOf({ state: 'settled', ...found })).toEqual({
    state: 'settled',
    amountMsat: 5n,
    settledAt: 1_800_000_000,
  })
  expect(detailsOf({ state: 'accepted', ...found })).toEqual({ state: 'accepted', amountMsat: 5n })
  for (const state of ['open', 'expired', 'cancelled', 'unknown'] as const)
    expect(detailsOf({ state, ...found })).toEqual({ state })
})

it('leaves out what a node writes for nothing', () => {
  expect(detailsOf({ state: 'settled', amountMsat: 0n, settledAt: 0n })).toEqual({ state: 'settled' })
  expect(detailsOf({ state: 'settled', amountMsat: undefined, settledAt: undefined })).toEqual({
    state: 'settled',
  })
})
