import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeInvoice } from '../core/bolt11/index.ts'
import { encodeHex } from '../core/bytes.ts'
import type { CreatedInvoice } from './backend.ts'
import { type MemoryLightning, type MemoryLightningOptions, memoryLightning } from './memory.ts'
import { type SandboxAnswer, sandboxRoutes } from './sandbox-http.ts'

const unexpected: SandboxAnswer = { status: 0, contentType: 'application/json', body: '{}' }

async function setUp(options: MemoryLightningOptions = {}): Promise<{
  lightning: MemoryLightning
  created: CreatedInvoice
  post: (body: unknown) => Promise<SandboxAnswer>
  get: (path: string) => Promise<SandboxAnswer>
}> {
  const lightning = memoryLightning(options)
  const routes = sandboxRoutes(lightning, { timeoutMs: 50 })
  return {
    lightning,
    created: await lightning.createInvoice({ amountMsat: 1000n, memo: '', expirySeconds: 60 }),
    post: async (body) => (await routes('POST', '/sandbox/v1/pay', JSON.stringify(body))) ?? unexpected,
    get: async (path) => (await routes('GET', `/sandbox/v1/${path}`, '')) ?? unexpected,
  }
}

describe('sandboxRoutes', () => {
  it('pays, tells of the payment, and of both balances', async () => {
    const { lightning, created, post, get } = await setUp()
    const path = `payments/${encodeHex(created.paymentHash)}`
    expect(await get(path)).toMatchObject({ status: 404, body: '{"status":"not_found"}' })
    const answer = await post({ invoice: created.invoice })
    const known = await lightning.lookupPayment(created.paymentHash)
    const preimage = known.status === 'paid' ? encodeHex(known.preimage) : ''
    expect(answer).toEqual({
      status: 200,
      contentType: 'application/json',
      body: `{"preimage":"${preimage}","feeMsat":"0"}`,
    })
    expect(await get(path)).toMatchObject({
      status: 200,
      body: `{"status":"paid","preimage":"${preimage}","feeMsat":"0"}`,
    })
    expect(await get('balance')).toMatchObject({
      status: 200,
      body: '{"balanceMsat":"99999999000","sellerBalanceMsat":"1000"}',
    })
  })

  it('answers 422 for a payment that failed', async () => {
    const { created, post, get } = await setUp({ onPay: () => ({ status: 'failed', detail: 'no route' }) })
    const failed = '{"status":"failed","detail":"no route"}'
    expect(await post({ invoice: created.invoice })).toMatchObject({ status: 422, body: failed })
    const path = `payments/${encodeHex(created.paymentHash)}`
    expect(await get(path)).toMatchObject({ status: 200, body: failed })
  })

  it('answers 504 for a payment that takes too long', async () => {
    const { created, post, get } = await setUp({ onPay: () => new Promise(() => {}) })
    const answer = await post({ invoice: created.invoice })
    expect(answer.status).toBe(504)
    expect(JSON.parse(answer.body)).toMatchObject({ status: 'unknown' })
    const path = `payments/${encodeHex(created.paymentHash)}`
    expect(await get(path)).toMatchObject({ status: 200, body: '{"status":"pending"}' })
  })

  it('answers 504 for a payment that is paid without proof', async () => {
    const { created, post, get } = await setUp({ onPay: () => ({ status: 'paid_unproven' }) })
    expect((await post({ invoice: created.invoice })).status).toBe(504)
    const path = `payments/${encodeHex(created.paymentHash)}`
    expect(await get(path)).toMatchObject({ body: '{"status":"paid_unproven","feeMsat":"0"}' })
  })

  it('answers 503 with a code while Lightning is down', async () => {
    const { lightning, created, post, get } = await setUp()
    lightning.offline = true
    for (const answer of [await post({ invoice: created.invoice }), await get('balance')]) {
      expect(answer).toMatchObject({ status: 503, contentType: 'application/problem+json' })
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'lightning_unavailable', status: 503 })
    }
  })

  it.each(['', 'null', '[]', '{', '{"invoice":7}', '{"bolt11":"lnbcrt1"}', `"${'x'.repeat(20_000)}"`])(
    'answers 400 to a body like %.30s',
    async (body) => {
      const answer = await sandboxRoutes(memoryLightning())('POST', '/sandbox/v1/pay', body)
      expect(answer).toMatchObject({ status: 400, contentType: 'application/problem+json' })
    },
  )

  it('answers 422 to invoices that are none or name no amount', async () => {
    const { post } = await setUp()
    const fields = {
      network: 'regtest',
      amountMsat: null,
      timestamp: 1,
      paymentHash: new Uint8Array(32),
      paymentSecret: new Uint8Array(32),
      description: '',
    } as const
    const open = encodeInvoice(fields, new Uint8Array(32).fill(1))
    for (const invoice of ['', 'lnbcrt1', 'mine', open, open.slice(0, -1)]) {
      const answer = await post({ invoice })
      expect(answer.status).toBe(422)
      expect(JSON.parse(answer.body)).toMatchObject({ status: 'failed', detail: expect.any(String) })
    }
  })

  it.each([
    ['GET', 'pay', 405],
    ['POST', 'balance', 405],
    ['DELETE', `payments/${'00'.repeat(32)}`, 405],
    ['GET', 'payments/', 400],
    ['GET', 'payments/00', 400],
    ['GET', `payments/${'zz'.repeat(32)}`, 400],
    ['GET', `payments/${'00'.repeat(33)}`, 400],
    ['GET', '', 404],
    ['GET', 'else', 404],
  ])('answers %s %s with %i', async (method, name, status) => {
    const answer = await sandboxRoutes(memoryLightning())(method, `/sandbox/v1/${name}`, '')
    expect(answer).toMatchObject({ status, contentType: 'application/problem+json' })
  })

  it.each(['/', '/healthz', '/sandbox', '/sandbox/v2/pay', 'sandbox/v1/pay'])(
    'leaves %s alone',
    async (path) => {
      expect(await sandboxRoutes(memoryLightning())('POST', path, '')).toBeUndefined()
    },
  )

  it('never throws and never answers 5xx, whatever is sent', async () => {
    const routes = sandboxRoutes(memoryLightning())
    const methods = fc.constantFrom('GET', 'POST', 'HEAD', 'X')
    const names = fc.oneof(fc.constantFrom('pay', 'balance', 'payments/'), fc.string())
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ invoice: fc.string() }).map((o) => JSON.stringify(o)),
    )
    await fc.assert(
      fc.asyncProperty(methods, names, bodies, async (method, name, body) => {
        const answer = await routes(method, `/sandbox/v1/${name}`, body)
        expect(answer?.status).toBeLessThan(500)
      }),
    )
  })
})
