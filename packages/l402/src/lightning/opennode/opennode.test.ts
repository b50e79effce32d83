/** OpenNode as its documentation describes it: fixture only. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import type { MemoryLightning } from '../memory.ts'
import { opennode } from './index.ts'

const KEY = 'n'.repeat(36)
const charges = new Map<string, Uint8Array>()

async function api(
  { method, path, headers, body }: StubRequest,
  lightning: MemoryLightning,
): Promise<StubAnswer> {
  if (headers['authorization'] !== KEY)
    return { status: 401, json: { success: false, message: 'Unauthorized' } }
  if (method === 'POST' && path === '/v1/charges') {
    const { invoice, paymentHash } = await lightning.createInvoice({
      amountMsat: BigInt(Number(body['amount'])) * 1000n,
      memo: String(body['description']),
      expirySeconds: Number(body['ttl']) * 60,
    })
    const id = crypto.randomUUID()
    charges.set(id, paymentHash)
    return { status: 201, json: { data: { id, status: 'unpaid', lightning_invoice: { payreq: invoice } } } }
  }
  const hash = charges.get(path.replace('/v1/charge/', ''))
  if (hash === undefined) return { status: 404, json: { success: false, message: 'Charge not found' } }
  const status =
    { settled: 'paid', expired: 'expired' }[String(await lightning.lookupInvoice(hash))] ?? 'unpaid'
  return { status: 200, json: { data: { status } } }
}

describe('OpenNode (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())
  const options = () => ({ url: stub.url, key: KEY, network: 'regtest' as const })

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await opennode({ ...options(), fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.endsWith('/v1/charges'),
    secrets: [KEY],
    open: {
      wrongCredential: () => opennode({ ...options(), key: 'wrong'.repeat(4) }),
      // Known by its address, so nobody has to be asked.
      wrongNetwork: () => opennode({ key: KEY, network: 'regtest' }),
      nobody: () => opennode({ ...options(), url: 'http://127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  it('makes no invoice for another network than it is set up for', async () => {
    const backend = await opennode({ ...options(), network: 'testnet' })
    const made = backend.createInvoice({ amountMsat: 1000n, memo: 'x', expirySeconds: 600 })
    await expect(made).rejects.toMatchObject({ code: 'lightning_invalid' })
  })
})
