/** BTCPay Server as its documentation describes it: fixture only. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  payInMemory,
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import type { MemoryLightning } from '../memory.ts'
import { btcpay, btcpayWallet } from './index.ts'

const KEY = 'b'.repeat(40)
const SELLER_KEY = 's'.repeat(40)
const STORE = 'S'.repeat(44)
const BASE = `/api/v1/stores/${STORE}/lightning/BTC/`
let asked: StubRequest['body'] = {}
const ok = (json: unknown): StubAnswer => ({ status: 200, json })

async function api(request: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  const { method, path, headers, body } = request
  const sells = headers['authorization'] === `token ${SELLER_KEY}`
  if (!sells && headers['authorization'] !== `token ${KEY}`)
    return { status: 401, json: { code: 'unauthenticated' } }
  const call = path.startsWith(BASE) ? path.slice(BASE.length) : ''
  const hash = decodeHex(call.split('/')[1] ?? '') ?? new Uint8Array(32)
  if (call === 'balance' && sells) return { status: 403, json: { code: 'missing-permission' } }
  if (call === 'balance') return ok({ offchain: { local: String(await lightning.balanceMsat()) } })
  if (call === 'invoices' && method === 'GET') return ok([])
  if (call === 'invoices') {
    asked = body
    const { invoice, paymentHash, expiresAt } = await lightning.createInvoice({
      amountMsat: BigInt(String(body['amount'])),
      memo: String(body['description']),
      expirySeconds: Number(body['expiry']),
    })
    return ok({ id: encodeHex(paymentHash), status: 'Unpaid', BOLT11: invoice, expiresAt })
  }
  if (call === 'invoices/pay') {
    const outcome = await payInMemory(lightning, String(body['BOLT11']))
    if (outcome.status !== 'paid')
      return { status: 400, json: { code: 'could-not-find-route', message: 'no route' } }
    return ok({ status: 'Complete', preimage: encodeHex(outcome.preimage), feeAmount: '0' })
  }
  if (call.startsWith('payments/')) {
    const outcome = await lightning.lookupPayment(hash)
    if (outcome.status !== 'paid') return { status: 404, json: { code: 'payment-not-found' } }
    return ok({ status: 'Complete', preimage: encodeHex(outcome.preimage), feeAmount: '0' })
  }
  const { state, amountMsat, settledAt } = await lightning.invoiceDetails(hash)
  if (state === 'unknown') return { status: 404, json: { code: 'invoice-not-found' } }
  const status = { settled: 'Paid', expired: 'Expired' }[String(state)] ?? 'Unpaid'
  return ok({
    status,
    amountReceived: amountMsat === undefined ? null : String(amountMsat),
    paidAt: settledAt,
  })
}

describe('BTCPay Server (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())
  const options = () => ({ url: stub.url, store: STORE, key: KEY })
  const wrong = () => ({ ...options(), key: 'wrong'.repeat(4) })

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await btcpay({ ...options(), fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/invoices'),
    secrets: [KEY],
    open: {
      wrongCredential: () => btcpay(wrong()),
      wrongNetwork: () => btcpay({ ...options(), network: 'mainnet' }),
      nobody: () => btcpay({ ...options(), url: 'http://127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await btcpayWallet({ ...options(), fetch: wrap(fetch) }),
    sends: (url) => url.endsWith('/invoices/pay'),
    secrets: [KEY],
    open: {
      wrongCredential: () => btcpayWallet(wrong()),
      wrongNetwork: () => btcpayWallet({ ...options(), network: 'mainnet' }),
      nobody: () => btcpayWallet({ ...options(), url: 'http://127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  it('refuses an id of a store that would lead elsewhere', async () => {
    await expect(btcpay({ ...options(), store: '../../server' })).rejects.toThrow(TypeError)
  })

  it.each([undefined, true])(
    'asks for hints for private channels only where told: %s',
    async (routeHints) => {
      const seller = await btcpay({ ...options(), ...(routeHints === undefined ? {} : { routeHints }) })
      await seller.createInvoice({ amountMsat: 1_000n, memo: 'x', expirySeconds: 60 })
      expect(asked['privateRouteHints']).toBe(routeHints)
    },
  )

  it('warns a seller whose key can also pay', async () => {
    expect((await btcpay(options())).warnings?.[0]).toContain('its API key can also pay')
    expect((await btcpay({ ...options(), key: SELLER_KEY })).warnings).toEqual([])
  })
})
