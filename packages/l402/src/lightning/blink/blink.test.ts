/** Blink as its documentation describes it: fixture only. */

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
import { blink, blinkWallet } from './index.ts'

const KEY = `blink_${'k'.repeat(40)}`
const ok = (data: unknown): StubAnswer => ({ status: 200, json: { data } })
const inWallet = (fields: object): StubAnswer => ok({ me: { defaultAccount: { walletById: fields } } })
const texts = new Map<string, string>()

async function api({ headers, body }: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  // Errors come with status 200.
  if (headers['x-api-key'] !== KEY)
    return { status: 200, json: { errors: [{ message: 'Not authorized' }], data: { me: null } } }
  const query = String(body['query'])
  const { input, paymentHash } = body['variables'] as {
    input?: Record<string, unknown>
    paymentHash?: string
  }
  const hash = decodeHex(paymentHash ?? '') ?? new Uint8Array(32)
  if (query.includes('lnInvoiceCreate(')) {
    const { invoice, paymentHash: made } = await lightning.createInvoice({
      amountMsat: BigInt(Number(input?.['amount'])) * 1000n,
      memo: String(input?.['memo']),
      expirySeconds: Number(input?.['expiresIn']) * 60,
    })
    texts.set(encodeHex(made), invoice)
    return ok({
      lnInvoiceCreate: { errors: [], invoice: { paymentRequest: invoice, paymentHash: encodeHex(made) } },
    })
  }
  if (query.includes('invoiceByPaymentHash')) {
    const state = await lightning.lookupInvoice(hash)
    if (state === 'unknown')
      return { status: 200, json: { errors: [{ message: "Couldn't find invoice: not found" }] } }
    const paymentStatus = { settled: 'PAID', expired: 'EXPIRED' }[String(state)] ?? 'PENDING'
    return inWallet({ invoiceByPaymentHash: { paymentStatus, paymentRequest: texts.get(encodeHex(hash)) } })
  }
  if (query.includes('lnInvoicePaymentSend')) {
    const outcome = await payInMemory(lightning, String(input?.['paymentRequest']))
    const failed = { status: 'FAILURE', errors: [{ message: 'no route' }] }
    return ok({
      lnInvoicePaymentSend: outcome.status === 'paid' ? { status: 'SUCCESS', errors: [] } : failed,
    })
  }
  if (query.includes('transactionsByPaymentHash')) {
    const outcome = await lightning.lookupPayment(hash)
    if (outcome.status !== 'paid') return inWallet({ transactionsByPaymentHash: [] })
    const sent = {
      status: 'SUCCESS',
      direction: 'SEND',
      settlementFee: 0,
      settlementVia: { preImage: encodeHex(outcome.preimage) },
    }
    return inWallet({ transactionsByPaymentHash: [{ ...sent, direction: 'RECEIVE' }, sent] })
  }
  const balance = Number((await lightning.balanceMsat()) / 1000n)
  const wallets = [
    { id: 'dollars', walletCurrency: 'USD', balance: 5 },
    { id: 'bitcoin', walletCurrency: 'BTC', balance },
  ]
  return ok({ globals: { network: 'regtest' }, me: { defaultAccount: { wallets } } })
}

describe('Blink (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())
  const options = () => ({ url: `${stub.url}/graphql`, key: KEY })

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await blink({ ...options(), fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (_url, body) => body.includes('lnInvoiceCreate('),
    secrets: [KEY],
    open: {
      wrongCredential: () => blink({ ...options(), key: 'blink_wrong' }),
      wrongNetwork: () => blink({ ...options(), network: 'mainnet' }),
      nobody: () => blink({ url: 'http://127.0.0.1:9/graphql', key: KEY }),
    },
    close: async () => {},
  }))

  describeConformance('as a wallet', async ({ wrap }) => ({
    subject: 'payments',
    invoices: stub.lightning,
    payments: await blinkWallet({ ...options(), fetch: wrap(fetch) }),
    sends: (_url, body) => body.includes('lnInvoicePaymentSend'),
    secrets: [KEY],
    open: {
      wrongCredential: () => blinkWallet({ ...options(), key: 'blink_wrong' }),
      wrongNetwork: () => blinkWallet({ ...options(), network: 'mainnet' }),
      nobody: () => blinkWallet({ url: 'http://127.0.0.1:9/graphql', key: KEY }),
    },
    close: async () => {},
  }))

  it('takes no wallet that counts dollars', async () => {
    await expect(blink({ ...options(), walletId: 'dollars' })).rejects.toMatchObject({
      code: 'lightning_invalid',
    })
  })
})
