import { describe, expect, it } from 'vitest'
import { decodeBase64 } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { memoryLedger } from '../stores/memory/index.ts'
import { type Paywall, type PaywallPass, type PaywallService, paywall } from './paywall.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }]
const weather: PaywallService = {
  routes: [
    { match: 'GET /health', free: true },
    { match: 'GET /forecast/*', price: '10 sat', grants: { calls: 2 } },
  ],
}

function open(services: Record<string, PaywallService> = { weather }) {
  const lightning = memoryLightning()
  const gate = paywall({ lightning, store: memoryLedger(), keys, services })
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
      paywall({ lightning: memoryLightning(), store: memoryLedger(), keys: [], services: {} }),
    ).toThrow('at least one active key')
  })
})
