import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Seller, startSeller, type TestWallet, testWallet } from '../../test/support/seller.ts'
import { L402Error } from '../core/errors.ts'
import type { PurseStore } from '../stores/purse.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { outcomeOf, payingFetch } from './paying-fetch.ts'
import type { BuyerOptions } from './types.ts'

let seller: Seller
let wallet: TestWallet
let purse: PurseStore

beforeEach(async () => {
  seller = await startSeller()
  wallet = testWallet(seller.secrets)
  purse = memoryPurse()
})
afterEach(() => seller[Symbol.asyncDispose]())

const make = (options: Partial<BuyerOptions> = {}) => payingFetch({ wallet, purse, ...options })

describe('payingFetch', () => {
  it('is a fetch that pays', async () => {
    const fetch = make()
    const response = await fetch(`${seller.origin}/forecast`)
    expect([response.status, await response.text()]).toEqual([200, 'sunny'])
    expect(outcomeOf(response)).toMatchObject({ kind: 'served', purchases: [{ amountMsat: 10_000n }] })
    expect(await (await fetch(new URL('/forecast', seller.origin))).text()).toBe('sunny')
    expect(wallet.paid).toHaveLength(1)
  })

  it('takes a Request with a body, as fetch does', async () => {
    const request = new Request(`${seller.origin}/query`, {
      method: 'PUT',
      body: 'mine',
      headers: { 'x-a': 'b' },
    })
    await make()(request)
    expect(seller.received).toMatchObject([
      { method: 'PUT', body: 'mine', headers: { 'x-a': 'b' } },
      { method: 'PUT', body: 'mine', headers: { 'x-a': 'b' } },
    ])
    expect(request.bodyUsed).toBe(true)
    await expect(make()(request)).rejects.toThrow(TypeError)
  })

  it('lets what the init says win over the Request', async () => {
    const request = new Request(`${seller.origin}/query`, { method: 'PUT', body: 'mine' })
    await make()(request, { method: 'POST', body: new Uint8Array([104, 105]) })
    expect(seller.received.at(-1)).toMatchObject({ method: 'POST', body: 'hi' })
  })

  it('streams the answer', async () => {
    const rest = Promise.withResolvers<void>()
    seller.behaviour = (received, response) => {
      if (!received.paid) return undefined
      response.write('first')
      void rest.promise.then(() => response.end('second'))
      return true
    }
    const response = await make()(seller.origin)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('first')
    rest.resolve()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('second')
  })

  it('leaves an answer that nobody reads to the platform, which lets go of what is not locked', async () => {
    const response = await make()(seller.origin)
    const outcome = outcomeOf(response)
    const bought = outcome?.kind === 'served' ? outcome.response : undefined
    expect([bought === response, bought?.body?.locked]).toEqual([false, false])
    await response.text()
    expect(bought?.body?.locked).toBe(true)
  })

  it('answers a 402 that is no L402 as it is', async () => {
    seller.behaviour = (_, response) => response.writeHead(402).end('cards only')
    const response = await make()(seller.origin)
    expect([response.status, await response.text()]).toEqual([402, 'cards only'])
  })

  it('answers with what the server said where it took the money and did not serve', async () => {
    seller.behaviour = (received, response) =>
      received.paid ? response.writeHead(503).end('later') : undefined
    const response = await make()(seller.origin)
    expect(response.status).toBe(503)
    expect(outcomeOf(response)).toMatchObject({ kind: 'not_served' })
  })

  it.each([
    ['payment_refused', 'over_budget', { budget: { overall: { hourMsat: 1n }, hosts: {} } }],
    ['payment_refused', 'no_pay', { noPay: true }],
    ['payment_refused', 'wrong_network', { networks: ['mainnet'] }],
    [
      'lightning_unavailable',
      null,
      { wallet: () => Promise.reject(new L402Error('lightning_unavailable', 'x')) },
    ],
  ] as const)('throws %s (%s)', async (code, reason, options) => {
    await expect(make(options)(seller.origin)).rejects.toMatchObject({ code, details: { reason } })
    expect(wallet.paid).toEqual([])
  })

  it.each([
    ['payment_failed', 'failed', { status: 'failed', detail: 'no route' }],
    ['payment_unknown', 'pending', { status: 'pending' }],
    ['paid_not_served', 'paid_unproven', { status: 'paid_unproven', feeMsat: 0n }],
  ] as const)('throws %s when the wallet says %s', async (code, _, answer) => {
    wallet.onPay = () => answer
    await expect(make()(seller.origin)).rejects.toMatchObject({
      code,
      details: { paymentHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
  })

  it('throws paid_not_served when the connection fails after paying', async () => {
    seller.behaviour = (received, response) => (received.paid ? response.destroy() : undefined)
    await expect(make()(seller.origin)).rejects.toMatchObject({ code: 'paid_not_served' })
    expect(await purse.credentials()).toHaveLength(1)
  })

  it('throws not_replayable before it pays for a stream', async () => {
    const body = new Blob(['once']).stream()
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    await expect(make()(seller.origin, init)).rejects.toMatchObject({ code: 'not_replayable' })
    async function* lines() {
      yield new TextEncoder().encode('once')
    }
    const generated = { method: 'POST', body: lines(), duplex: 'half' } as unknown as RequestInit
    await expect(make()(seller.origin, generated)).rejects.toMatchObject({ code: 'not_replayable' })
    expect(wallet.paid).toEqual([])
  })

  it('buffers a stream where it was told to', async () => {
    const body = new Blob(['once']).stream()
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    expect((await make({ bufferStreams: true })(seller.origin, init)).status).toBe(200)
    expect(seller.received.map((one) => one.body)).toEqual(['once', 'once'])
  })

  it('sends a stream that nobody charges for', async () => {
    seller.behaviour = (received, response) => response.end(received.body)
    const init = { method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' } as RequestInit
    expect(await (await make()(seller.origin, init)).text()).toBe('once')
  })

  it('throws what fetch throws when nothing was paid', async () => {
    await expect(make()('http://127.0.0.1:1/')).rejects.toThrow(TypeError)
    await expect(make()('ftp://example.com/')).rejects.toThrow(TypeError)
    await expect(make()('not a url')).rejects.toThrow(TypeError)
    await expect(make()(seller.origin, { method: 'GET', body: 'x' })).rejects.toThrow(TypeError)
  })

  it('rejects with the reason of an abort, after the payment is on the books', async () => {
    const abort = new AbortController()
    const pay = wallet.onPay
    wallet.onPay = (request) => {
      abort.abort(new Error('enough'))
      return pay(request)
    }
    await expect(make()(seller.origin, { signal: abort.signal })).rejects.toThrow('enough')
    expect(await purse.openPayments()).toEqual([])
    expect(await purse.credentials()).toHaveLength(1)
    await expect(make()(seller.origin, { signal: abort.signal })).rejects.toThrow('enough')
  })

  it('gives a wallet up that never answers, and takes its late proof', async () => {
    const answer = Promise.withResolvers<void>()
    const pay = wallet.onPay
    wallet.onPay = async (request) => {
      await answer.promise
      return await pay(request)
    }
    const events: string[] = []
    const proven = Promise.withResolvers<void>()
    const fetch = make({
      paymentTimeoutMs: 1,
      onEvent: ({ type }) => {
        events.push(type)
        if (type === 'paid') proven.resolve()
      },
    })
    const running = fetch(seller.origin)
    await expect(running).rejects.toMatchObject({ code: 'payment_unknown' })
    answer.resolve()
    await proven.promise
    expect((await purse.payments(1))[0]?.state).toBe('settled')
    expect((await make()(seller.origin)).status).toBe(200)
    expect(wallet.paid).toHaveLength(1)
  })

  it('refuses settings that cannot be meant', () => {
    expect(() => make({ maxMsat: -1n })).toThrow(RangeError)
    for (const paymentTimeoutMs of [0, Number.NaN, 2 ** 31])
      expect(() => make({ paymentTimeoutMs })).toThrow('paymentTimeoutMs must be more than 0 and at most')
    expect(() => make({ maxRedirects: 1.5 })).toThrow(RangeError)
  })
})
