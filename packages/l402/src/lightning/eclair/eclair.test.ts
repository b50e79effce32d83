/** Eclair as its documentation describes it: fixture only. */

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
import { eclair, eclairWallet } from './index.ts'

const PASSWORD = 'e'.repeat(40)
const CHANNELS = ['a'.repeat(64), 'b'.repeat(64)]
let asked: StubRequest['body'] = {}
const ok = (json: unknown): StubAnswer => ({ status: 200, json })

async function api({ path, headers, body }: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  const given = Buffer.from(String(headers['authorization']).replace('Basic ', ''), 'base64').toString()
  if (given !== `:${PASSWORD}`) return { status: 401, json: { error: 'wrong password' } }
  const hash = decodeHex(String(body['paymentHash'] ?? '')) ?? new Uint8Array(32)
  switch (path) {
    case '/getinfo':
      return ok({ version: '0.12.0', nodeId: '02', network: 'regtest' })
    case '/createinvoice': {
      asked = body
      const { invoice, paymentHash } = await lightning.createInvoice({
        amountMsat: BigInt(String(body['amountMsat'])),
        memo: String(body['description']),
        expirySeconds: Number(body['expireIn']),
      })
      return ok({ prefix: 'lnbcrt', paymentHash: encodeHex(paymentHash), serialized: invoice })
    }
    case '/getreceivedinfo': {
      const { state, amountMsat = 0n, settledAt = 0 } = await lightning.invoiceDetails(hash)
      if (state === 'unknown') return { status: 404, json: { error: 'Not found' } }
      const type = { settled: 'received', expired: 'expired' }[String(state)] ?? 'pending'
      return ok({ status: { type, amount: Number(amountMsat), receivedAt: { unix: settledAt } } })
    }
    case '/payinvoice': {
      const outcome = await payInMemory(lightning, String(body['invoice']))
      if (outcome.status !== 'paid') return ok({ type: 'payment-failed', failures: [] })
      const parts = [{ feesPaid: 0 }]
      return ok({ type: 'payment-sent', paymentPreimage: encodeHex(outcome.preimage), parts })
    }
    case '/getsentinfo': {
      const outcome = await lightning.lookupPayment(hash)
      if (outcome.status !== 'paid') return ok([])
      return ok([{ status: { type: 'sent', paymentPreimage: encodeHex(outcome.preimage), feesPaid: 0 } }])
    }
    default:
      return ok([
        { canSend: Number(await lightning.balanceMsat()), canReceive: 3_000 },
        { canSend: 0, canReceive: 400 },
      ])
  }
}

describe('Eclair (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await eclair({ url: stub.url, password: PASSWORD, fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/createinvoice'),
    secrets: [PASSWORD],
    open: {
      wrongCredential: () => eclair({ url: stub.url, password: 'wrong' }),
      wrongNetwork: () => eclair({ url: stub.url, password: PASSWORD, network: 'mainnet' }),
      nobody: () => eclair({ url: 'http://127.0.0.1:9', password: PASSWORD }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await eclairWallet({ url: stub.url, password: PASSWORD, fetch: wrap(fetch) }),
    sends: (url) => url.endsWith('/payinvoice'),
    secrets: [PASSWORD],
    open: {
      wrongCredential: () => eclairWallet({ url: stub.url, password: 'wrong' }),
      wrongNetwork: () => eclairWallet({ url: stub.url, password: PASSWORD, network: 'mainnet' }),
      nobody: () => eclairWallet({ url: 'http://127.0.0.1:9', password: PASSWORD }),
    },
    close: async () => {},
  }))

  it('says what can be received', async () => {
    expect(await (await eclair({ url: stub.url, password: PASSWORD })).receivableMsat?.()).toBe(3_400n)
  })

  it('asks for hints of the private channels that it is told, and of no others', async () => {
    const terms = { amountMsat: 1_000n, memo: 'x', expirySeconds: 60 }
    const hinting = await eclair({ url: stub.url, password: PASSWORD, routeHints: CHANNELS })
    await hinting.createInvoice(terms)
    expect(asked['privateChannelIds']).toBe(CHANNELS.join(','))
    await (await eclair({ url: stub.url, password: PASSWORD })).createInvoice(terms)
    expect(asked).not.toHaveProperty('privateChannelIds')
    await expect(eclair({ url: stub.url, password: PASSWORD, routeHints: ['true'] })).rejects.toThrow(
      'routeHints: expected ids of private channels',
    )
  })
})
