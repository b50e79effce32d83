import { expect, it } from 'vitest'
import { sha256 } from '../../core/hash.ts'
import { detailsOf } from './seller.ts'

const preimage = new Uint8Array(32).fill(7)
const hash = Uint8Array.from(sha256(preimage))

it('tells what came in only of invoices that were paid, and time and preimage only of those that are settled', () => {
  const found = { amountMsat: 5n, settledAt: 1_800_000_000n, preimage }
  expect(detailsOf({ state: 'settled', ...found }, hash)).toEqual({
    state: 'settled',
    amountMsat: 5n,
    settledAt: 1_800_000_000,
    preimage,
  })
  expect(detailsOf({ state: 'accepted', ...found }, hash)).toEqual({ state: 'accepted', amountMsat: 5n })
  for (const state of ['open', 'expired', 'cancelled', 'unknown'] as const)
    expect(detailsOf({ state, ...found }, hash)).toEqual({ state })
})

it('leaves out what a node writes for nothing', () => {
  expect(detailsOf({ state: 'settled', amountMsat: 0n, settledAt: 0n }, hash)).toEqual({ state: 'settled' })
  expect(detailsOf({ state: 'settled', amountMsat: undefined, settledAt: undefined }, hash)).toEqual({
    state: 'settled',
  })
})

it('believes no preimage of another payment, no amount beyond all bitcoin, no time beyond all calendars', () => {
  const found = {
    amountMsat: 2_100_000_000_000_000_001n,
    settledAt: 9_999_999_999_999_999_999n,
    preimage: new Uint8Array(32),
  }
  expect(detailsOf({ state: 'settled', ...found }, hash)).toEqual({ state: 'settled' })
})
