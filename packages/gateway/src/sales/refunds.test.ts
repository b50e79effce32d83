/** Refunds of payments whose session was paid back in satoshis: the same uses are not given back twice. */

import { randomBytes } from 'node:crypto'
import { encodeHex } from '@turnpike/l402'
import { type SaleFacts, takenOffKeys } from '@turnpike/l402/server'
import { memoryJournal, memoryStore } from '@turnpike/l402/store/memory'
import { expect, it } from 'vitest'
import { createRefunds } from './refunds.ts'

const bytes = (): Uint8Array => new Uint8Array(randomBytes(32))

/** Somebody has used one of fifty units, and 49 were taken off to be paid back, or moved. */
async function open(grants: Partial<SaleFacts['grants']>, counter: 0 | 1) {
  const [paymentHash, tokenId, callsKey] = [bytes(), bytes(), bytes()]
  const ledger = memoryStore()
  const journal = await memoryJournal()
  const facts: SaleFacts = {
    paymentHash: encodeHex(paymentHash),
    tokenId: encodeHex(tokenId),
    ...{ service: 'weather', route: 'GET /*', amountMsat: 100_000n, amountExact: true },
    grants: { calls: null, creditMsat: null, validSeconds: null, ...grants },
    callsKey: encodeHex(callsKey),
    endsAtMs: null,
  }
  await journal.note([{ type: 'redeemed', facts, atMs: Date.now() }], {})
  const redemption = { paymentHash, tokenId, service: 'weather', endsAtMs: null }
  const account = grants.creditMsat ? tokenId : callsKey
  await ledger.credit(redemption, 50n)
  const key = takenOffKeys(paymentHash)[counter] ?? bytes()
  for (const uses of [
    [{ key: account, limit: 50n, amount: 1n }],
    [
      { key: account, limit: 50n, amount: 49n },
      { key, limit: 49n, amount: 49n },
    ],
  ]) {
    const held = await ledger.reserve({ redemption, uses })
    if (!held.ok) throw new Error(String(held.failed))
    await ledger.commit(held.id)
  }
  const refunds = createRefunds({ journal, ledger, subscribers: () => ({}), onEvents: () => {} })
  return (amount: { readonly calls?: number; readonly amountMsat?: bigint } = {}) =>
    refunds.give({ paymentHash: facts.paymentHash, ...amount, reason: '', idempotencyKey: 'x', by: '' })
}

it.each([
  ['closing its session', 0],
  ['moving it to the session that it tops up', 1],
] as const)('gives back the calls that served somebody, not what was taken off by %s', async (_, counter) => {
  const give = await open({ calls: 50 }, counter)
  expect(await give({ calls: 2 })).toMatchObject({ ok: false, code: 'too_much' })
  expect(await give()).toMatchObject({ ok: true, refund: { amount: 1n } })
})

it('gives back the credit that served somebody, not what was taken off by closing its session', async () => {
  const give = await open({ creditMsat: 50n }, 0)
  expect(await give({ amountMsat: 2n })).toMatchObject({ ok: false, code: 'too_much' })
  expect(await give()).toMatchObject({ ok: true, refund: { amount: 1n } })
})
