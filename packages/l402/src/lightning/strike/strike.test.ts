/** Strike as its documentation describes it: fixture only. */

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
import { btcOf, msatOf } from './amounts.ts'
import { strike, strikeWallet } from './index.ts'

const KEY = 'S'.repeat(64)
const ok = (json: unknown): StubAnswer => ({ status: 200, json })
const invoices = new Map<string, string>()
const quotes = new Map<string, string>()
const paid = new Map<string, object>()
let feeBtc = '0.00000000'

async function api(request: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  const { method, path, headers, body, query } = request
  if (headers['authorization'] !== `Bearer ${KEY}`)
    return { status: 401, json: { data: { status: 401, code: 'UNAUTHORIZED', message: 'Unauthorized' } } }
  const hash = query.get('$paymentHash') ?? ''
  const bytes = decodeHex(hash) ?? new Uint8Array(32)
  if (path === '/v1/balances')
    return ok([
      { currency: 'USD', available: '5.00' },
      { currency: 'BTC', available: btcOf(await lightning.balanceMsat()) },
    ])
  if (path === '/v1/receive-requests' && method === 'POST') {
    const { amount, description, expiryInSeconds } = body['bolt11'] as Record<string, unknown>
    const { invoice, paymentHash } = await lightning.createInvoice({
      amountMsat: msatOf(amount) ?? 0n,
      memo: String(description),
      expirySeconds: Number(expiryInSeconds),
    })
    invoices.set(encodeHex(paymentHash), invoice)
    return { status: 201, json: { bolt11: { invoice, paymentHash: encodeHex(paymentHash) } } }
  }
  if (path === '/v1/receive-requests') {
    const invoice = invoices.get(hash)
    return ok({ items: invoice === undefined ? [] : [{ bolt11: { invoice } }] })
  }
  if (path === '/v1/receive-requests/receives') {
    if ((await lightning.lookupInvoice(bytes)) !== 'settled') return ok({ items: [] })
    const amountReceived = { currency: 'BTC', amount: '0.00010000' }
    return ok({ items: [{ state: 'COMPLETED', amountReceived, completed: new Date().toISOString() }] })
  }
  if (path === '/v1/payment-quotes/lightning') {
    const paymentQuoteId = crypto.randomUUID()
    quotes.set(paymentQuoteId, String(body['lnInvoice']))
    return { status: 201, json: { paymentQuoteId, lightningNetworkFee: { currency: 'BTC', amount: feeBtc } } }
  }
  const [, , kind, id = ''] = path.split('/')
  if (kind === 'payments') return ok(paid.get(id))
  const outcome = await payInMemory(lightning, quotes.get(id) ?? '')
  const lightningNetworkFee = { currency: 'BTC', amount: feeBtc }
  if (outcome.status !== 'paid') return ok({ paymentId: id, state: 'FAILED', lightningNetworkFee })
  const lightningPart = { preImage: encodeHex(outcome.preimage) }
  paid.set(id, { paymentId: id, state: 'COMPLETED', lightningNetworkFee, lightning: lightningPart })
  // The first answer often comes before the end.
  return ok({ paymentId: id, state: 'PENDING', lightningNetworkFee })
}

describe('Strike (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())
  const options = () => ({ url: stub.url, key: KEY, network: 'regtest' as const })

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await strike({ ...options(), fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/v1/receive-requests'),
    secrets: [KEY],
    open: {
      wrongCredential: () => strike({ ...options(), key: 'wrong'.repeat(4) }),
      wrongNetwork: () => strike({ key: KEY, network: 'regtest' }),
      nobody: () => strike({ ...options(), url: 'http://127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await strikeWallet({ ...options(), fetch: wrap(fetch) }),
    sends: (url) => url.endsWith('/execute'),
    secrets: [KEY],
    open: {
      wrongCredential: () => strikeWallet({ ...options(), key: 'wrong'.repeat(4) }),
      wrongNetwork: () => strikeWallet({ key: KEY, network: 'regtest' }),
      nobody: () => strikeWallet({ ...options(), url: 'http://127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  it('pays nothing where the quote names a fee above the limit', async () => {
    const wallet = await strikeWallet(options())
    const order = await stub.lightning.createInvoice({ amountMsat: 10_000n, memo: 'x', expirySeconds: 600 })
    const before = await wallet.balanceMsat()
    feeBtc = '0.00000002'
    const outcome = await wallet.pay({ ...order, maxFeeMsat: 1_999n, timeoutMs: 5_000 })
    feeBtc = '0.00000000'
    expect(outcome).toMatchObject({ status: 'failed', detail: expect.stringContaining('2000 msat') })
    expect(await wallet.balanceMsat()).toBe(before)
  })

  it('counts bitcoin to the millisatoshi, and never less than it is', () => {
    expect(btcOf(1_234_000n)).toBe('0.00001234')
    expect(msatOf({ currency: 'BTC', amount: '1' })).toBe(100_000_000_000n)
    expect(msatOf({ currency: 'BTC', amount: '0.000000000011' })).toBe(2n)
    for (const amount of ['-1', '1e3', '', '1.', undefined, 5])
      expect(msatOf({ currency: 'BTC', amount })).toBeUndefined()
    expect(msatOf({ currency: 'USD', amount: '1' })).toBeUndefined()
  })
})
