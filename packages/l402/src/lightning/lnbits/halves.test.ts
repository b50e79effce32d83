/** A wallet of LNbits that has paid an invoice of its own has two payments under one hash; the real server may answer with either. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { type StubNode, startStub } from '../../../test/support/stub-node.ts'
import { encodeHex } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import { lnbits, lnbitsWallet } from './index.ts'

const KEY = 'a'.repeat(32)
const preimage = new Uint8Array(32).fill(7)
const hash = Uint8Array.from(sha256(preimage))

let stub: StubNode
let halves: readonly Record<string, unknown>[] = []
let answered = 0
let invoice = ''
beforeAll(async () => {
  stub = await startStub(async ({ method, path, body }) => {
    if (path === '/api/v1/wallet') return { status: 200, json: { name: 'w', balance: 0 } }
    if (path === '/api/v1/payments' && method === 'GET') return { status: 200, json: halves }
    if (body['out'] === true)
      return { status: 520, json: { detail: 'Insufficient balance.', status: 'failed' } }
    const details = halves[answered]
    if (details === undefined) return { status: 404, json: { detail: 'Payment does not exist.' } }
    const { status } = details
    return {
      status: 200,
      json: { paid: status === 'success', status, preimage: details['preimage'], details },
    }
  })
  const made = await stub.lightning.createInvoice({ amountMsat: 5_000n, memo: '', expirySeconds: 600 })
  invoice = made.invoice
})
afterAll(() => stub.close())

const half = (amount: number, status: string) => ({
  ...{ amount, status, fee: 0, bolt11: invoice, payment_hash: encodeHex(hash) },
  preimage: encodeHex(preimage),
})

it.each([0, 1])('finds the half that is asked for, whichever comes first (%i)', async (first) => {
  halves = [half(-5_000, 'success'), half(5_000, 'success')]
  answered = first
  const shop = await lnbits({ url: stub.url, key: KEY })
  const purse = await lnbitsWallet({ url: stub.url, key: KEY })
  expect(await purse.lookupPayment(hash)).toEqual({ status: 'paid', preimage, feeMsat: 0n })
  expect(await shop.invoiceDetails?.(hash)).toEqual({ state: 'settled', amountMsat: 5_000n, preimage })
})

it('calls what was paid settled, whatever came of the payee paying it once more', async () => {
  halves = [half(-5_000, 'failed'), half(5_000, 'success')]
  answered = 0
  const shop = await lnbits({ url: stub.url, key: KEY })
  const purse = await lnbitsWallet({ url: stub.url, key: KEY })
  expect(await shop.lookupInvoice(hash)).toBe('settled')
  expect(await purse.lookupPayment(hash)).toMatchObject({ status: 'failed' })
})

it('has not sent what only came in, and knows no invoice of what only went out', async () => {
  answered = 0
  halves = [half(5_000, 'success')]
  const purse = await lnbitsWallet({ url: stub.url, key: KEY })
  expect(await purse.lookupPayment(hash)).toEqual({ status: 'not_found' })
  halves = [half(-5_000, 'success')]
  expect(await (await lnbits({ url: stub.url, key: KEY })).lookupInvoice(hash)).toBe('unknown')
})

it('has failed to pay what the server says it failed, and that is not in its books', async () => {
  halves = [{ bolt11: invoice }]
  const purse = await lnbitsWallet({ url: stub.url, key: KEY })
  halves = []
  const made = await stub.lightning.createInvoice({ amountMsat: 6_000n, memo: '', expirySeconds: 600 })
  const outcome = await purse.pay({ ...made, maxFeeMsat: 0n, timeoutMs: 5_000 })
  expect(outcome).toMatchObject({
    status: 'failed',
    detail: expect.stringContaining('Insufficient balance.'),
  })
})
