import { describe, expect, it } from 'vitest'
import { decodeBase64 } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { L402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { type Paywall, type PaywallPass, type PaywallService, paywall } from './paywall.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }]
const weather: PaywallService = {
  routes: [
    { match: 'GET /health', free: true },
    { match: 'GET /forecast/*', price: '10 sat', grants: { calls: 2 } },
  ],
}

function open(services: Record<string, PaywallService> = { weather }, store: Ledger = memoryStore()) {
  const lightning = memoryLightning()
  const gate = paywall({ lightning, store, keys, services })
  async function buy(url: string): Promise<string> {
    const { response } = await refusal(gate, new Request(url))
    const [challenge] = findL402Challenges([response.headers.get('www-authenticate') ?? ''])
    if (challenge === undefined) throw new Error(`expected a challenge, got ${response.status}`)
    const { identifier } = decodeMacaroon(decodeBase64(challenge.macaroon) as Uint8Array)
    const paid = await lightning.pay({
      invoice: challenge.invoice,
      paymentHash: decodeIdentifier(identifier).paymentHash,
      amountMsat: 10_000n,
      maxFeeMsat: 0n,
      timeoutMs: 1000,
    })
    if (paid.status !== 'paid') throw new Error(paid.status)
    return formatCredential(challenge.macaroon, paid.preimage)
  }
  return { gate, buy }
}

async function refusal(gate: Paywall, request: Request): Promise<{ response: Response }> {
  const result = await gate(request)
  if (result.outcome === 'pass') throw new Error('expected a refusal')
  return result
}

async function pass(gate: Paywall, url: string, authorization: string): Promise<PaywallPass> {
  const result = await gate(new Request(url, { headers: { authorization } }))
  if (result.outcome === 'refuse') throw new Error(`expected a pass, got ${result.response.status}`)
  return result
}

describe('paywall', () => {
  it('answers 402 without a credential, and a HEAD without a body', async () => {
    const { gate } = open()
    const { response } = await refusal(gate, new Request('https://api.example/forecast/x'))
    expect(response.status).toBe(402)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const head = await refusal(gate, new Request('https://api.example/forecast/x', { method: 'HEAD' }))
    expect(head.response.status).toBe(402)
    expect(await head.response.text()).toBe('')
  })

  it('serves what was paid for, counts it, and says what is left', async () => {
    const { gate, buy } = open()
    const url = 'https://api.example/forecast/x'
    const credential = await buy(url)
    const answer = await (await pass(gate, url, credential)).serve(() => new Response('sunny'))
    expect(await answer.text()).toBe('sunny')
    expect(answer.headers.get('ratelimit')).toBe('"calls";r=1')
    await (await pass(gate, url, credential)).serve(() => new Response('sunny'))
    const { response } = await refusal(gate, new Request(url, { headers: { authorization: credential } }))
    expect(await response.json()).toMatchObject({ status: 402, code: 'exhausted' })
  })

  it('gives the use back when the handler fails, and leaves its error alone', async () => {
    const { gate, buy } = open()
    const url = 'https://api.example/forecast/x'
    const credential = await buy(url)
    for (let i = 0; i < 5; i++) {
      const down = await (await pass(gate, url, credential)).serve(
        () => new Response('down', { status: 503 }),
      )
      expect(down.status).toBe(503)
      const failing = (await pass(gate, url, credential)).serve(() => {
        throw new Error('the handler’s own')
      })
      await expect(failing).rejects.toThrow('the handler’s own')
    }
    await (await pass(gate, url, credential)).serve(() => new Response('ok'))
    await (await pass(gate, url, credential)).serve(() => new Response('ok'))
  })

  it('refuses a path that gate and handler could read differently, and one that no route matches', async () => {
    const { gate } = open()
    for (const path of ['//forecast/x', '/%66orecast/x', '/forecast/a%2Fb', '/x/..;a/health'])
      expect((await refusal(gate, new Request(`https://api.example${path}`))).response.status).toBe(400)
    expect((await refusal(gate, new Request('https://api.example/other'))).response.status).toBe(404)
    expect((await gate(new Request('https://api.example/health'))).outcome).toBe('pass')
  })

  it('answers OPTIONS itself: never charged, and never passed on (S8)', async () => {
    const { gate } = open({ weather: { routes: [...weather.routes, { match: '/any', price: '1 sat' }] } })
    const options = async (path: string, headers: Record<string, string> = {}) =>
      (await refusal(gate, new Request(`https://api.example${path}`, { method: 'OPTIONS', headers })))
        .response
    const plain = await options('/forecast/x')
    expect(plain.status).toBe(204)
    expect(plain.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    expect(plain.headers.has('access-control-allow-origin')).toBe(false)
    const preflight = await options('/forecast/x', {
      origin: 'https://app.example',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization, x-own',
    })
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS')
    expect(preflight.headers.get('access-control-allow-headers')).toBe('Authorization, x-own')
    expect((await options('/any')).headers.get('allow')).toContain('PATCH')
    expect((await options('/other')).status).toBe(404)
    expect((await options('//forecast/x')).status).toBe(400)
  })

  it('lets pages of other origins read a refusal, and what is left (S5)', async () => {
    const { gate, buy } = open()
    const url = 'https://api.example/forecast/x'
    const origin = { origin: 'https://app.example' }
    const { response } = await refusal(gate, new Request(url, { headers: origin }))
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
    const credential = await buy(url)
    const readable = new Response('sunny', { headers: { 'Access-Control-Allow-Origin': '*' } })
    const answer = await (await pass(gate, url, credential)).serve(() => readable)
    expect(answer.headers.get('access-control-expose-headers')).toBe('RateLimit-Policy, RateLimit')
    const own = await (await pass(gate, url, credential)).serve(() => new Response('sunny'))
    expect(own.headers.has('access-control-expose-headers')).toBe(false)
  })

  it('answers 503 where the use cannot be written, and gives the handler’s answer to nobody (rule 9)', async () => {
    const store = memoryStore()
    let down = true
    let cancelled = false
    const body = new ReadableStream({
      cancel() {
        cancelled = true
      },
    })
    const failing: Ledger = {
      ...store,
      revocationEpoch: 0,
      serve: (id) =>
        down ? Promise.reject(new L402Error('store_unavailable', 'disk full')) : store.serve(id),
    }
    const { gate, buy } = open({ weather }, failing)
    const url = 'https://api.example/forecast/x'
    const credential = await buy(url)
    const answer = await (await pass(gate, url, credential)).serve(() => new Response(body))
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('5')
    expect(await answer.json()).toMatchObject({ code: 'store_unavailable' })
    expect(cancelled).toBe(true)
    down = false
    for (let i = 0; i < 2; i++) await (await pass(gate, url, credential)).serve(() => new Response('sunny'))
  })

  it('says at set-up what is wrong with a route', () => {
    const routes = (route: object) => () => open({ weather: { routes: [route as never] } })
    expect(routes({ match: 'GET /x' })).toThrow('expected a price')
    expect(routes({ match: 'GET /x', price: '10' })).toThrow(/unit/)
    expect(routes({ match: 'GET /x', price: '0 sat' })).toThrow('more than 0')
    expect(routes({ match: 'GET /x', price: '1 sat', free: true })).toThrow('got both')
    expect(routes({ match: 'GET /x', price: '1 sat', grants: { calls: 0 } })).toThrow('calls')
    expect(routes({ match: 'GET /x', price: '1 sat', grants: { valid: -1 } })).toThrow('valid')
    expect(() => open({ 'a:b': weather })).toThrow('service name')
    expect(() =>
      paywall({ lightning: memoryLightning(), store: memoryStore(), keys: [], services: {} }),
    ).toThrow('at least one active key')
  })

  it('asks for the length of a body whose bytes are charged, and sells without a body', async () => {
    const upload = {
      match: 'POST /upload',
      price: '10 sat',
      grants: { credit: '10 sat' },
      charge: { requestBytes: '1 msat', estimate: '1 sat' },
    }
    const { gate } = open({ weather: { routes: [upload] } })
    const ask = async (body: BodyInit | null, headers: Record<string, string> = {}): Promise<number> => {
      const init = { method: 'POST', body, headers, duplex: 'half' }
      return (await refusal(gate, new Request('https://api.example/upload', init))).response.status
    }
    const { body: stream } = new Response('hello')
    expect(await ask(stream)).toBe(411)
    expect(await ask('hello', { 'Content-Length': '5, 5' })).toBe(411)
    expect(await ask('hello', { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' })).toBe(411)
    expect(await ask('hello', { 'Content-Length': '5' })).toBe(402)
    expect(await ask(new Response('').body)).toBe(402)
    expect(await ask(null)).toBe(402)
    const read = new Request('https://api.example/upload', { method: 'POST', body: 'hello' })
    await read.text()
    expect((await refusal(gate, read)).response.status).toBe(411)
    const locked = new Request('https://api.example/upload', { method: 'POST', body: 'hello' })
    locked.body?.getReader()
    expect((await refusal(gate, locked)).response.status).toBe(411)
  })
})
