/** What LNbits answers to its two keys, as the real one does, and what is said of it. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { type StubNode, startStub } from '../../../test/support/stub-node.ts'
import { lnbits, lnbitsWallet } from './index.ts'

const [ADMIN, INVOICE] = ['a'.repeat(32), 'b'.repeat(32)]

let stub: StubNode
beforeAll(async () => {
  stub = await startStub(async ({ method, path, headers, body }, lightning) => {
    const key = headers['x-api-key']
    if (key !== ADMIN && key !== INVOICE) return { status: 404, json: { detail: 'Wallet not found.' } }
    if (path === '/api/v1/wallet') return { status: 200, json: { name: 'w', balance: 0 } }
    if (path === '/api/v1/payments' && method === 'GET') return { status: 200, json: [] }
    if (body['out'] === true)
      return key === ADMIN
        ? { status: 400, json: { detail: 'Bolt11 decoding failed.' } }
        : { status: 403, json: { detail: 'Admin key required.' } }
    const { invoice } = await lightning.createInvoice({ amountMsat: 1_000n, memo: '', expirySeconds: 60 })
    return { status: 201, json: { bolt11: invoice } }
  })
})
afterAll(() => stub.close())

it('warns a seller who gave the admin key where the invoice key is enough', async () => {
  expect((await lnbits({ url: stub.url, key: ADMIN })).warnings).toEqual([
    `LNbits at ${new URL(stub.url).host}: its admin key can also pay; the invoice key of the wallet is enough to sell, and whoever steals it can spend nothing`,
  ])
  expect((await lnbits({ url: stub.url, key: INVOICE })).warnings).toEqual([])
})

it('tells a buyer who gave the invoice key, and anybody whose key is unknown', async () => {
  await expect(lnbitsWallet({ url: stub.url, key: INVOICE })).rejects.toThrow(
    'refused the key: Admin key required.; expected the admin key of the wallet, as only that one pays',
  )
  await expect(lnbits({ url: stub.url, key: 'c'.repeat(32) })).rejects.toThrow(
    'refused the key: Wallet not found.; expected the invoice key',
  )
})
