/** LNURL-pay as its documents describe it (LUD-06, LUD-16, LUD-21): fixture only. */

import { bech32 } from '@scure/base'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeConformance } from '../../../test/support/conformance.ts'
import {
  type StubAnswer,
  type StubNode,
  type StubRequest,
  startStub,
} from '../../../test/support/stub-node.ts'
import { decodeHex, encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import { type MemoryLightning, memoryLightning } from '../memory.ts'
import { payRequestUrl } from './address.ts'
import { lnurl } from './index.ts'

const METADATA = '[["text/plain","pay shop"]]'
const made = new Map<string, string>()
/** What a hostile service answers instead. */
let lies: { terms?: object; invoice?: object; verify?: object } = {}

async function api({ path, query, headers }: StubRequest, lightning: MemoryLightning): Promise<StubAnswer> {
  const own = `http://${headers['host']}`
  if (path === '/.well-known/lnurlp/shop')
    return {
      status: 200,
      json: {
        tag: 'payRequest',
        callback: `${own}/callback?who=shop`,
        minSendable: 1,
        maxSendable: 100_000_000,
        metadata: METADATA,
        commentAllowed: 20,
        ...lies.terms,
      },
    }
  if (path === '/callback') {
    if (query.get('who') !== 'shop') return { status: 200, json: { status: 'ERROR', reason: 'who?' } }
    const memo = query.get('comment') ?? ''
    const amountMsat = BigInt(query.get('amount') ?? '0')
    const { invoice, paymentHash } = await lightning.createInvoice({ amountMsat, memo, expirySeconds: 600 })
    made.set(encodeHex(paymentHash), invoice)
    const verify = `${own}/verify/${encodeHex(paymentHash)}`
    return { status: 200, json: { pr: invoice, routes: [], verify, ...lies.invoice } }
  }
  const key = path.replace('/verify/', '')
  const pr = made.get(key)
  if (pr === undefined) return { status: 404, json: { status: 'ERROR', reason: 'Not found' } }
  const settled = (await lightning.lookupInvoice(decodeHex(key) ?? new Uint8Array())) === 'settled'
  return { status: 200, json: { status: 'OK', settled, preimage: null, pr, ...lies.verify } }
}

describe('LNURL-pay (fixture only)', () => {
  let stub: StubNode
  beforeAll(async () => {
    stub = await startStub(api)
  })
  afterAll(() => stub.close())
  afterEach(() => {
    lies = {}
  })
  const address = () => `shop@${new URL(stub.url).host}`

  describeConformance('as a seller', async ({ wrap }) => ({
    subject: 'invoices',
    invoices: await lnurl({ address: address(), fetch: wrap(fetch) }),
    payments: stub.lightning,
    sends: (url) => url.includes('/callback'),
    open: {
      wrongNetwork: () => lnurl({ address: address(), network: 'mainnet' }),
      nobody: () => lnurl({ address: 'shop@127.0.0.1:9' }),
    },
    close: async () => {},
  }))

  const order = { amountMsat: 5_000n, memo: 'weather', expirySeconds: 600 }
  const invalid = { code: 'lightning_invalid' }

  it.each([
    ['no pay request', { terms: { tag: 'withdrawRequest' } }],
    ['terms nobody can meet', { terms: { minSendable: 5, maxSendable: 4 } }],
    ['a callback over plain http elsewhere', { terms: { callback: 'http://example.com/cb' } }],
    ['a callback to another machine of the operator', { terms: { callback: 'http://127.0.0.2/cb' } }],
    ['a callback that is no URL', { terms: { callback: 'file:///etc/passwd' } }],
    ['no verify', { invoice: { verify: null } }],
    ['a verify over plain http elsewhere', { invoice: { verify: 'http://example.com/v' } }],
    ['something else than an invoice', { invoice: { pr: 'lnbc1' } }],
  ])('is not opened with %s', async (_, lie) => {
    lies = lie
    await expect(lnurl({ address: address() })).rejects.toMatchObject(invalid)
  })

  it('takes no invoice of another amount, network or description', async () => {
    const backend = await lnurl({ address: address() })
    const dearer = await stub.lightning.createInvoice({ ...order, amountMsat: 6_000n })
    const mainnet = await memoryLightning({ network: 'mainnet' }).createInvoice(order)
    for (const { invoice } of [dearer, mainnet]) {
      lies = { invoice: { pr: invoice } }
      await expect(backend.createInvoice(order)).rejects.toMatchObject(invalid)
    }
  })

  it('asks for no amount that the service does not take', async () => {
    lies = { terms: { minSendable: 10_000 } }
    const backend = await lnurl({ address: address() })
    await expect(backend.createInvoice(order)).rejects.toThrow('takes 10000 to 100000000 msat only')
  })

  it('follows no redirect', async () => {
    const moved: typeof globalThis.fetch = async () =>
      new Response(null, { status: 302, headers: { location: stub.url } })
    await expect(lnurl({ address: address(), fetch: moved })).rejects.toMatchObject({
      code: 'lightning_unavailable',
    })
  })

  it('believes no settlement of another invoice, nor one with another preimage', async () => {
    const backend = await lnurl({ address: address() })
    const { paymentHash } = await backend.createInvoice(order)
    const other = await stub.lightning.createInvoice(order)
    for (const lie of [
      { settled: true, pr: other.invoice },
      { settled: true, preimage: '00'.repeat(32) },
      { settled: true, preimage: 'ff' },
      { settled: 'yes' },
    ]) {
      lies = { verify: lie }
      await expect(backend.lookupInvoice(paymentHash)).rejects.toMatchObject(invalid)
    }
    lies = {}
    expect(await backend.lookupInvoice(paymentHash)).toBe('open')
  })

  it('knows its addresses in all their forms', () => {
    const url = 'https://example.com/pay?id=7'
    const words = bech32.encodeFromBytes('lnurl', encodeUtf8(url)) as string
    expect(String(payRequestUrl('Shop+tips@example.com'))).toBe(
      'https://example.com/.well-known/lnurlp/shop+tips',
    )
    expect(String(payRequestUrl(`shop@${'a'.repeat(56)}.onion`))).toMatch(/^http:\/\/a+\.onion\//)
    for (const text of [
      url,
      words,
      words.toUpperCase(),
      `lightning:${words}`,
      'lnurlp://example.com/pay?id=7',
    ])
      expect(String(payRequestUrl(text))).toBe(url)
  })

  it.each([
    '',
    'shop',
    'a@b@c',
    'http://example.com/pay',
    'https://u:p@example.com/',
    'lnurl1qqqq',
    'ftp://example.com',
  ])('takes "%s" for no address', (text) => expect(() => payRequestUrl(text)).toThrow(TypeError))
})
