/** phoenixd as its documentation describes it: fixture only. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  payInMemory,
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import { decodeUnverifiedInvoice } from '../../core/bolt11/index.ts'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import type { MemoryLightning } from '../memory.ts'
import { phoenixd, phoenixdWallet } from './index.ts'

const FULL = 'f'.repeat(64)
const LIMITED = '1'.repeat(64)

async function api(
  { method, path, headers, body }: StubRequest,
  lightning: MemoryLightning,
): Promise<StubAnswer> {
  const given = Buffer.from(String(headers['authorization']).replace('Basic ', ''), 'base64').toString()
  const full = given === `:${FULL}`
  if (!full && given !== `:${LIMITED}`) return { status: 401, json: {} }
  const hash = decodeHex(path.split('/').at(-1) ?? '') ?? new Uint8Array(32)
  if (path === '/getinfo') return { status: 200, json: { nodeId: '02', chain: 'regtest', version: '0.6.0' } }
  if (path === '/createinvoice' && method === 'POST') {
    const created = await lightning.createInvoice({
      amountMsat: BigInt(String(body['amountSat'])) * 1000n,
      memo: String(body['description']),
      expirySeconds: Number(body['expirySeconds']),
    })
    const { invoice: serialized, paymentHash } = created
    return {
      status: 200,
      json: { amountSat: Number(body['amountSat']), paymentHash: encodeHex(paymentHash), serialized },
    }
  }
  if (path.startsWith('/payments/incoming/')) {
    const { state, amountMsat = 0n, settledAt = 0 } = await lightning.invoiceDetails(hash)
    if (state === 'unknown') return { status: 404, json: {} }
    const [receivedSat, completedAt] = [Number(amountMsat / 1000n), settledAt * 1000]
    const json = { isPaid: state === 'settled', isExpired: state === 'expired', receivedSat, completedAt }
    return { status: 200, json }
  }
  if (!full) return { status: 403, json: {} }
  if (path === '/getbalance') {
    const balanceSat = Number((await lightning.balanceMsat()) / 1000n)
    return { status: 200, json: { balanceSat, feeCreditSat: 0 } }
  }
  if (path === '/payinvoice') {
    const outcome = await payInMemory(lightning, String(body['invoice']))
    if (outcome.status !== 'paid') return { status: 200, json: { reason: 'recipient rejected the payment' } }
    const { amountMsat } = decodeUnverifiedInvoice(String(body['invoice']))
    const recipientAmountSat = Number((amountMsat ?? 0n) / 1000n)
    const paymentPreimage = encodeHex(outcome.preimage)
    return { status: 200, json: { recipientAmountSat, routingFeeSat: 0, paymentId: 'id', paymentPreimage } }
  }
  if (path.startsWith('/payments/outgoingbyhash/')) {
    const outcome = await lightning.lookupPayment(hash)
    if (outcome.status !== 'paid') return { status: 404, json: {} }
    return {
      status: 200,
      json: { isPaid: true, fees: 0, preimage: encodeHex(outcome.preimage), completedAt: 1 },
    }
  }
  return { status: 404, json: {} }
}

describe('phoenixd (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())

  describeConformance('as a seller, with the limited password', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await phoenixd({ url: stub.url, password: LIMITED, fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/createinvoice'),
    secrets: [LIMITED],
    open: {
      wrongCredential: () => phoenixd({ url: stub.url, password: 'wrong' }),
      wrongNetwork: () => phoenixd({ url: stub.url, password: LIMITED, network: 'mainnet' }),
      nobody: () => phoenixd({ url: 'http://127.0.0.1:9', password: LIMITED }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await phoenixdWallet({ url: stub.url, password: FULL, fetch: wrap(fetch) }),
    sends: (url) => url.endsWith('/payinvoice'),
    secrets: [FULL],
    open: {
      wrongCredential: () => phoenixdWallet({ url: stub.url, password: LIMITED }),
      nobody: () => phoenixdWallet({ url: 'http://127.0.0.1:9', password: FULL }),
    },
    close: async () => {},
  }))

  it('takes an order that came twice for a payment under way, not for one that failed', async () => {
    let ordered = false
    const node = await startStub(async (request, lightning) => {
      if (request.path === '/payinvoice') {
        ordered = true
        return { status: 200, json: { reason: 'this invoice is being paid already' } }
      }
      if (ordered && request.path.startsWith('/payments/outgoingbyhash/'))
        return { status: 200, json: { isPaid: false, fees: 0 } }
      return await api(request, lightning)
    })
    const wallet = await phoenixdWallet({ url: node.url, password: FULL })
    const amountMsat = 1_000n
    const { invoice, paymentHash } = await node.lightning.createInvoice({
      ...{ amountMsat, memo: 'x', expirySeconds: 600 },
    })
    const order = { invoice, paymentHash, amountMsat, maxFeeMsat: 4_004n, timeoutMs: 5_000 }
    expect(await wallet.pay(order)).toEqual({ status: 'pending' })
    await wallet.close()
    await node.close()
  })

  it('warns a seller whose password can also pay', async () => {
    const warned = await phoenixd({ url: stub.url, password: FULL })
    expect(warned.warnings).toEqual([
      `phoenixd at ${new URL(stub.url).host}: its password can also pay; http-password-limited-access is enough to sell, and whoever steals it can spend nothing`,
    ])
    expect((await phoenixd({ url: stub.url, password: LIMITED })).warnings).toEqual([])
  })
})
