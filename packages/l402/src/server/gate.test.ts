import { afterEach, describe, expect, it } from 'vitest'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { L402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon, encodeMacaroon } from '../core/macaroon.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryLedger } from '../stores/memory/index.ts'
import { createGate, type GateOptions } from './create-gate.ts'
import type { Decision, Gate, GateRequest, Pass, Refused, RouteTerms } from './gate.ts'
import { keyRing } from './keys.ts'
import { routeTerms } from './route-terms.ts'

const KEY = { id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }
const PASS = routeTerms('weather', 'GET /forecast/*', { price: '10 sat', grants: { valid: '1h' } })
const BUNDLE = routeTerms('weather', 'POST /query', { price: '100 sat', grants: { calls: 3 } })
const BOTH = routeTerms('weather', '/both', { price: '5 sat', grants: { calls: 2, valid: '1m' } })
const FREE = routeTerms('weather', '/health', { free: true })

interface Bench {
  readonly gate: Gate
  readonly ledger: Ledger
  clock: number
  ask(route: RouteTerms, authorization?: string, more?: Partial<GateRequest>): Promise<Decision>
  /** Pays what a fresh 402 asks for; the credential. */
  buy(route: RouteTerms, authorization?: string): Promise<string>
}

const opened: Ledger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})

function bench(options: Partial<GateOptions> = {}): Bench {
  const now = (): number => self.clock
  const lightning = memoryLightning({ now })
  const ledger = options.ledger ?? memoryLedger()
  opened.push(ledger)
  const gate = createGate({
    lightning,
    ledger,
    keys: keyRing([KEY]),
    services: { weather: {} },
    now,
    ...options,
  })
  const self: Bench = {
    gate,
    ledger,
    clock: 1_800_000_000_000,
    ask: async (route, authorization, more = {}) =>
      gate.decide({
        method: 'GET',
        path: '/forecast/paris',
        headers: authorization === undefined ? [] : ['Authorization', authorization],
        clientAddress: '192.0.2.7',
        route,
        ...more,
      }),
    async buy(route, authorization) {
      const { invoice, macaroon } = challengeOf(await self.ask(route, authorization))
      const { paymentHash } = decodeIdentifier(
        decodeMacaroon(decodeBase64(macaroon) as Uint8Array).identifier,
      )
      const paid = await lightning.pay({
        invoice,
        paymentHash,
        amountMsat: route.priceMsat,
        maxFeeMsat: 0n,
        timeoutMs: 1000,
      })
      if (paid.status !== 'paid') throw new Error(`the payment is ${paid.status}`)
      return formatCredential(macaroon, paid.preimage)
    },
  }
  return self
}

function refused(decision: Decision): Refused {
  if (decision.outcome !== 'refuse') throw new Error('expected a refusal, got a pass')
  return decision
}

function passed(decision: Decision): Pass {
  if (decision.outcome !== 'pass') throw new Error(`expected a pass, got ${decision.status} ${decision.body}`)
  return decision
}

function challengeOf(decision: Decision): { invoice: string; macaroon: string } {
  const answer = refused(decision)
  const at = answer.headers.indexOf('WWW-Authenticate')
  const [challenge] = findL402Challenges([answer.headers[at + 1] ?? ''])
  if (challenge === undefined) throw new Error('expected a challenge')
  return challenge
}

function narrowed(authorization: string, ...caveats: string[]): string {
  const [token = '', preimage = ''] = authorization.slice('L402 '.length).split(':')
  const macaroon = attenuateMacaroon(decodeMacaroon(decodeBase64(token) as Uint8Array), caveats)
  return formatCredential(encodeBase64(encodeMacaroon(macaroon)), decodeHex(preimage) as Uint8Array)
}

describe('what passes', () => {
  it('lets a free route pass without a credential and without a promise', () => {
    const decision = bench().gate.decide({
      method: 'GET',
      path: '/health',
      headers: [],
      clientAddress: '',
      route: FREE,
    })
    expect(decision).toEqual({ outcome: 'pass', entitlement: null })
  })

  it('lets a paid time pass through again and again, without asking the store', async () => {
    const { gate, ledger, ask, buy } = bench()
    const credential = await buy(PASS)
    const first = passed(await ask(PASS, credential))
    expect(first.entitlement?.counted).toBe(false)
    await ledger.close()
    for (let i = 0; i < 5; i++) {
      const decision = gate.decide({
        method: 'GET',
        path: '/forecast/oslo',
        headers: ['authorization', credential],
        clientAddress: '192.0.2.7',
        route: PASS,
      })
      expect(decision).not.toBeInstanceOf(Promise)
      expect((decision as Pass).entitlement?.tokenId).toBe(first.entitlement?.tokenId)
    }
  })

  it('ends a time pass on the second, not a moment later', async () => {
    const self = bench()
    const credential = await self.buy(PASS)
    self.clock += 3_599_999
    passed(await self.ask(PASS, credential))
    self.clock += 1
    expect(refused(await self.ask(PASS, credential))).toMatchObject({ status: 402, reason: 'expired' })
  })

  it('admits exactly the calls of a bundle, and says how many are left', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    const left: string[] = []
    for (let i = 0; i < 3; i++) {
      const { entitlement } = passed(await ask(BUNDLE, credential))
      await entitlement?.commit()
      left.push(entitlement?.answerHeaders.join(' ') ?? '')
    }
    expect(left).toEqual([2, 1, 0].map((n) => `RateLimit-Policy "calls";q=3 RateLimit "calls";r=${n}`))
    expect(refused(await ask(BUNDLE, credential))).toMatchObject({ status: 402, reason: 'exhausted' })
  })

  it('holds calls and time together', async () => {
    const self = bench()
    const credential = await self.buy(BOTH)
    await passed(await self.ask(BOTH, credential)).entitlement?.commit()
    self.clock += 60_000
    expect(refused(await self.ask(BOTH, credential)).reason).toBe('expired')
  })

  it('admits no more than the limit under concurrency', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    const decisions = await Promise.all(Array.from({ length: 40 }, () => ask(BUNDLE, credential)))
    expect(decisions.filter(({ outcome }) => outcome === 'pass')).toHaveLength(3)
  })

  it('gives a released call back', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    for (let i = 0; i < 10; i++) await passed(await ask(BUNDLE, credential)).entitlement?.release()
    for (let i = 0; i < 3; i++) await passed(await ask(BUNDLE, credential)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, credential)).reason).toBe('exhausted')
  })

  it('passes on any valid one of several credentials (V2)', async () => {
    const { ask, buy } = bench()
    const spent = await buy(BUNDLE)
    for (let i = 0; i < 3; i++) await passed(await ask(BUNDLE, spent)).entitlement?.commit()
    const fresh = await buy(BUNDLE)
    const headers = ['Authorization', spent, 'Authorization', fresh]
    passed(await ask(BUNDLE, undefined, { headers }))
  })

  it('accepts what an earlier master key sold, until that key is retired', async () => {
    const before = bench()
    const credential = await before.buy(PASS)
    const newer = { id: 'k2', masterKey: new Uint8Array(32).fill(9), active: true }
    passed(await bench({ keys: keyRing([KEY, newer]) }).ask(PASS, credential))
    const retired = bench({ keys: keyRing([{ ...KEY, active: false }, newer]) })
    expect(refused(await retired.ask(PASS, credential)).reason).toBe('bad_signature')
  })
})

describe('what does not pass', () => {
  it('answers a missing credential as S1 to S6 say', async () => {
    const answer = refused(await bench().ask(PASS))
    expect(answer.status).toBe(402)
    expect(answer.headers[0]).toBe('WWW-Authenticate')
    expect(answer.headers[1]).toMatch(
      /^L402 macaroon="([A-Za-z0-9+/]+=*)", invoice="lnbcrt[^"]+", version="0", token="\1"$/,
    )
    expect(answer.headers).toEqual(expect.arrayContaining(['Cache-Control', 'no-store']))
    const problem = JSON.parse(answer.body)
    const challenge = challengeOf(answer)
    expect(problem).toMatchObject({
      status: 402,
      code: 'missing',
      macaroon: challenge.macaroon,
      invoice: challenge.invoice,
      type: 'urn:turnpike:problem:missing',
      title: 'Payment Required',
      priceSats: 10,
      priceMsat: 10_000,
      expiresAt: decodeInvoice(challenge.invoice).expiresAt,
      offers: [{ scheme: 'L402', service: 'weather', priceSats: 10, grants: { validSeconds: 3600 } }],
    })
    expect(problem.detail).toBeTypeOf('string')
    const { identifier } = decodeMacaroon(decodeBase64(challenge.macaroon) as Uint8Array)
    expect(encodeHex(decodeIdentifier(identifier).paymentHash)).toBe(problem.paymentHash)
  })

  it('answers gRPC with 13, "payment required", all in the headers', async () => {
    const answer = refused(
      await bench().ask(PASS, undefined, { headers: ['content-type', 'application/grpc+proto'] }),
    )
    expect(answer).toMatchObject({ status: 200, grpc: true, body: '' })
    expect(answer.headers.slice(0, 6)).toEqual([
      'Content-Type',
      'application/grpc',
      'grpc-status',
      '13',
      'grpc-message',
      'payment required',
    ])
    expect(answer.headers[6]).toBe('WWW-Authenticate')
  })

  it('does not open a dearer route with what was sold for a cheaper one', async () => {
    const { ask, buy } = bench()
    const credential = await buy(PASS)
    const answer = refused(await ask(BUNDLE, credential))
    expect(answer).toMatchObject({ status: 402, reason: 'caveat_failed' })
    expect(JSON.parse(answer.body).condition).toBe('weather_capabilities')
  })

  it('lets routes share a capability on purpose', async () => {
    const { ask, buy } = bench()
    const first = routeTerms('weather', '/a', { price: '1 sat', grants: { valid: '1h' }, capability: 'read' })
    const second = routeTerms('weather', '/b', {
      price: '1 sat',
      grants: { valid: '1h' },
      capability: 'read',
    })
    passed(await ask(second, await buy(first)))
  })

  it('binds a narrower copy to its caveats, and shares the parent’s count', async () => {
    const { ask, buy } = bench()
    const parent = await buy(BUNDLE)
    const child = narrowed(parent, 'weather_max_calls=2', 'weather_paths=/forecast/*')
    await passed(await ask(BUNDLE, child)).entitlement?.commit()
    await passed(await ask(BUNDLE, child)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, child)).reason).toBe('exhausted')
    expect(refused(await ask(BUNDLE, narrowed(parent, 'weather_paths=/other'))).reason).toBe('caveat_failed')
    await passed(await ask(BUNDLE, parent)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, parent)).reason).toBe('exhausted')
  })

  it('refuses counting conditions that nothing enforces yet', async () => {
    const { ask, buy } = bench()
    const credential = await buy(PASS)
    for (const caveat of ['weather_rate=1/60', 'weather_max_spend_msat=1000', `dpop_jkt=${'A'.repeat(43)}`])
      expect(refused(await ask(PASS, narrowed(credential, caveat))).reason).toBe('caveat_failed')
  })

  it('refuses a preimage that is not the invoice’s, and a macaroon of another key', async () => {
    const { ask, buy } = bench()
    const credential = await buy(PASS)
    const forged = `${credential.split(':')[0]}:${'00'.repeat(32)}`
    expect(refused(await ask(PASS, forged)).reason).toBe('bad_preimage')
    const stranger = bench({ keys: keyRing([{ ...KEY, masterKey: new Uint8Array(32).fill(8) }]) })
    expect(refused(await ask(PASS, await stranger.buy(PASS))).reason).toBe('bad_signature')
  })

  it('refuses a revoked credential at once, cached or not, and sells a new one', async () => {
    const { ask, buy, ledger } = bench()
    const credential = await buy(PASS)
    const { entitlement } = passed(await ask(PASS, credential))
    await ledger.revoke({ tokenId: decodeHex(entitlement?.tokenId ?? '') as Uint8Array })
    const answer = refused(await ask(PASS, credential))
    expect(answer.reason).toBe('revoked')
    const { macaroon } = challengeOf(answer)
    const { tokenId } = decodeIdentifier(decodeMacaroon(decodeBase64(macaroon) as Uint8Array).identifier)
    expect(encodeHex(tokenId)).not.toBe(entitlement?.tokenId)
  })

  it('keeps the token id when a used-up credential asks for more (rule 8)', async () => {
    const { ask, buy } = bench()
    const first = await buy(BUNDLE)
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      const { entitlement } = passed(await ask(BUNDLE, first))
      await entitlement?.commit()
      ids.push(entitlement?.tokenId)
    }
    const second = await buy(BUNDLE, first)
    const { entitlement } = passed(await ask(BUNDLE, second))
    expect(entitlement?.tokenId).toBe(ids[0])
  })
})

describe('limits and faults', () => {
  it('limits challenges per client prefix, and says when to come again (S10)', async () => {
    const self = bench({ challengeLimit: { limit: 3, perSeconds: 60 } })
    for (let i = 0; i < 3; i++) expect(refused(await self.ask(PASS)).status).toBe(402)
    const limited = refused(await self.ask(PASS, undefined, { clientAddress: '192.0.2.200' }))
    expect(limited).toMatchObject({ status: 429, reason: 'challenge_limit' })
    expect(limited.headers).toEqual(expect.arrayContaining(['Retry-After', '20']))
    expect(refused(await self.ask(PASS, undefined, { clientAddress: '198.51.100.1' })).status).toBe(402)
    self.clock += 20_000
    expect(refused(await self.ask(PASS)).status).toBe(402)
  })

  it('does not limit paid requests', async () => {
    const { ask, buy } = bench({ challengeLimit: { limit: 1, perSeconds: 60 } })
    const credential = await buy(PASS)
    for (let i = 0; i < 10; i++) passed(await ask(PASS, credential))
  })

  it('answers 503 while the node is down, and charges nothing', async () => {
    const lightning = memoryLightning()
    lightning.offline = true
    const answer = refused(await bench({ lightning }).ask(PASS))
    expect(answer).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
    expect(answer.headers).toContain('Retry-After')
  })

  it('does not sell an invoice that is not the one asked for', async () => {
    const lightning = memoryLightning()
    const dear = {
      ...lightning,
      network: lightning.network,
      createInvoice: (request: Parameters<typeof lightning.createInvoice>[0]) =>
        lightning.createInvoice({ ...request, amountMsat: request.amountMsat * 2n }),
    }
    expect(refused(await bench({ lightning: dear as never }).ask(PASS)).status).toBe(503)
  })

  it('gives up on a node that does not answer within the deadline', async () => {
    const lightning = { ...memoryLightning(), createInvoice: () => new Promise<never>(() => {}) }
    const answer = refused(await bench({ lightning: lightning as never, challengeDeadlineMs: 20 }).ask(PASS))
    expect(answer.status).toBe(503)
  })

  it('answers 503 while the books cannot be written, never free (rule 9)', async () => {
    const ledger = memoryLedger()
    const broken: Ledger = {
      ...ledger,
      isRevoked: () => false,
      revocationEpoch: 0,
      reserve: () => Promise.reject(new L402Error('store_unavailable', 'disk full')),
      close: () => ledger.close(),
    }
    const { ask, buy } = bench({ ledger: broken })
    const answer = refused(await ask(BUNDLE, await buy(BUNDLE)))
    expect(answer).toMatchObject({ status: 503, reason: 'store_unavailable' })
  })

  it.each([
    ['a tier that no caveat can name', { services: { weather: { tier: 256 } } }],
    ['a negative tier', { services: { weather: { tier: -1 } } }],
    ['a service whose name no caveat can hold', { services: { 'a:b': {} } }],
    ['a cache without room', { verdictCacheSize: 1 }],
    ['a limit of nothing', { challengeLimit: { limit: 0, perSeconds: 1 } }],
    ['no time for an invoice', { challengeDeadlineMs: 0 }],
  ])('says at set-up what is wrong: %s', (_, options) => {
    expect(() => bench(options)).toThrow(RangeError)
  })

  it('answers 503 when the node makes an invoice that cannot be read', async () => {
    const lightning = memoryLightning()
    const garbled = {
      ...lightning,
      network: lightning.network,
      createInvoice: async (request: Parameters<typeof lightning.createInvoice>[0]) => ({
        ...(await lightning.createInvoice(request)),
        invoice: 'lnbcrt1garbled',
      }),
    }
    const answer = refused(await bench({ lightning: garbled as never }).ask(PASS))
    expect(answer).toMatchObject({ status: 503, reason: 'lightning_unavailable' })
  })

  it('keeps no more verdicts than allowed, and only of valid credentials', async () => {
    const self = bench({ verdictCacheSize: 10, challengeLimit: { limit: 1000, perSeconds: 1 } })
    const credential = await self.buy(PASS)
    for (let i = 0; i < 50; i++) passed(await self.ask(PASS, narrowed(credential, `note=${i}`)))
    for (let i = 0; i < 50; i++) refused(await self.ask(PASS, `L402 ${i}:zz`))
    expect(self.gate.cachedVerdicts).toBeGreaterThan(0)
    expect(self.gate.cachedVerdicts).toBeLessThanOrEqual(10)
  })
})
