import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bench, challengeOf, narrowed, passed, refused, soldIn } from '../../../test/gate-bench.ts'
import { decodeInvoice } from '../../core/bolt11/index.ts'
import type { GateRequest } from '../gate.ts'
import { routeTerms } from '../route-terms.ts'
import { expressionPricer } from './expression/expression-pricer.ts'
import { fiatPricer } from './fiat-pricer.ts'
import { noPrice, type PricedEvent, type Pricer, type Quote, requestScope } from './pricer.ts'

const amount = (amountMsat: bigint): Quote => ({ state: 'priced', amountMsat })

function asked(price: Pricer['price'], more: Partial<Pricer> = {}): Pricer {
  return {
    kind: 'test',
    text: 'test',
    binds: 'request',
    readsBody: false,
    timeoutMs: 1_000,
    scope: (request) => requestScope(request, ['x-model']),
    price,
    ...more,
  }
}

const priceOf = (decision: Parameters<typeof challengeOf>[0]): bigint | null =>
  decodeInvoice(challengeOf(decision).invoice).amountMsat

const sized = (bytes: number): Partial<GateRequest> => ({ method: 'POST', bodyBytes: bytes })
const SIZE = routeTerms('weather', 'POST /query', {
  price: expressionPricer('10 sat + 1 msat * bytes'),
  grants: { calls: 3 },
})

describe('a price by expression', () => {
  it('is what the invoice asks for, and what the problem body says', async () => {
    const decision = await bench().ask(SIZE, undefined, sized(500))
    expect(priceOf(decision)).toBe(10_500n)
    expect(JSON.parse(refused(decision).body)).toMatchObject({ priceMsat: 10_500, priceSats: 11 })
  })

  it('lets what was bought open what costs no more, and nothing that costs more', async () => {
    const { ask, buy } = bench()
    const credential = await buy(SIZE, undefined, sized(500))
    await passed(await ask(SIZE, credential, sized(500))).entitlement?.commit()
    await passed(await ask(SIZE, credential, sized(0))).entitlement?.commit()
    const dearer = await ask(SIZE, credential, sized(501))
    expect(refused(dearer)).toMatchObject({ reason: 'caveat_failed', status: 402 })
    expect(priceOf(dearer)).toBe(10_501n)
  })

  it('never opens for less than was paid, whatever a holder appends', async () => {
    const self = bench({ challengeLimit: { limit: 1, perSeconds: 1, exempt: () => true } })
    const size = fc.integer({ min: 0, max: 100_000 })
    const property = fc.asyncProperty(
      size,
      size,
      fc.integer({ min: 0, max: 200_000 }),
      async (a, b, claimed) => {
        const route = routeTerms('weather', 'POST /query', {
          price: expressionPricer('10 sat + 1 msat * bytes'),
          grants: { valid: '1h' },
        })
        const bought = await self.buy(route, undefined, sized(a))
        const widened = narrowed(bought, `weather_capabilities=POST /query;msat=${claimed}`)
        for (const credential of [bought, widened]) {
          const { outcome } = await self.ask(route, credential, sized(b))
          if (b > a) expect(outcome).toBe('refuse')
          else if (credential === bought) expect(outcome).toBe('pass')
        }
      },
    )
    await fc.assert(property, { numRuns: 40 })
  })

  it('does not take what was bought at a fixed price, even with a price appended', async () => {
    const { ask, buy } = bench()
    const plain = routeTerms('weather', 'POST /query', { price: '1 sat', grants: { valid: '1h' } })
    const credential = await buy(plain)
    for (const shown of [credential, narrowed(credential, 'weather_capabilities=POST /query;msat=99999999')])
      expect(refused(await ask(SIZE, shown, sized(9))).status).toBe(402)
  })

  it('passes what is free, with a credential and without, and uses nothing of it', async () => {
    const { ask, buy } = bench()
    const route = routeTerms('weather', 'POST /query', {
      price: expressionPricer('bytes < 100 ? free() : 10 sat'),
    })
    expect(await ask(route, undefined, sized(99))).toEqual({ outcome: 'pass', entitlement: null })
    const credential = await buy(route, undefined, sized(100))
    expect(await ask(route, credential, sized(1))).toEqual({ outcome: 'pass', entitlement: null })
    expect(passed(await ask(route, credential, sized(100))).entitlement?.counted).toBe(true)
  })

  it('answers 503 where it comes to nothing or less, and 400 where the request leaves something out', async () => {
    const events: PricedEvent[] = []
    const { ask } = bench({ onPriced: (event) => events.push(event) })
    const route = routeTerms('weather', 'POST /query', { price: expressionPricer('10 sat - 1 sat * bytes') })
    for (const bytes of [10, 11]) {
      const answer = refused(await ask(route, undefined, sized(bytes)))
      expect(answer).toMatchObject({ status: 503, reason: 'price_unavailable' })
      expect(answer.headers).toContain('Retry-After')
    }
    expect(refused(await ask(route, undefined, { bodyBytes: null }))).toMatchObject({ status: 400 })
    expect(events.map(({ outcome }) => outcome)).toEqual(['invalid', 'invalid', 'unpriceable'])
  })
})

describe('a pricer that is asked', () => {
  it('binds what was bought to what the price depends on', async () => {
    const prices = new Map([
      ['small', 1_000n],
      ['large', 9_000n],
    ])
    const route = routeTerms('weather', '/chat', {
      price: asked(({ headers }) => amount(prices.get(headers[1] ?? '') ?? 5_000n)),
      grants: { valid: '1h' },
    })
    const { ask, buy, gate } = bench()
    const withModel = (model: string, credential?: string): Partial<GateRequest> => ({
      headers: ['X-Model', model, ...(credential === undefined ? [] : ['Authorization', credential])],
    })
    const credential = await buy(route, undefined, withModel('small'))
    const again = await gate.decide({
      method: 'HEAD',
      path: '/forecast/paris',
      clientAddress: '198.51.100.1',
      headers: ['X-Model', 'small', 'User-Agent', 'other', 'Authorization', credential],
      route,
    })
    expect(again.outcome).toBe('pass')
    const others: Partial<GateRequest>[] = [
      withModel('large', credential),
      { ...withModel('small', credential), path: '/forecast/oslo' },
      { ...withModel('small', credential), query: '?n=9' },
      { ...withModel('small', credential), method: 'POST' },
      { ...withModel('small', credential), bodyBytes: 9 },
      { ...withModel('small', credential), bodyHead: new Uint8Array([1]) },
    ]
    for (const other of others) expect(refused(await ask(route, credential, other)).status).toBe(402)
  })

  it('is not asked about requests that are paid for', async () => {
    let questions = 0
    const route = routeTerms('weather', '/chat', {
      price: asked(() => {
        questions++
        return amount(2_000n)
      }),
      grants: { valid: '1h' },
    })
    const { ask, buy } = bench()
    const credential = await buy(route)
    for (let i = 0; i < 5; i++) passed(await ask(route, credential))
    expect(questions).toBe(1)
  })

  it.each<[string, Pricer, string]>([
    ['throws', asked(() => Promise.reject(new Error('no route to host'))), 'down'],
    [
      'throws at once',
      asked(() => {
        throw new Error('broken')
      }),
      'down',
    ],
    ['never answers', asked(() => new Promise(() => {}), { timeoutMs: 5 }), 'late'],
    ['says nothing is due', asked(() => amount(0n)), 'invalid'],
    ['says less than nothing', asked(() => amount(-1n)), 'invalid'],
    [
      'says what is no amount',
      asked(() => ({ state: 'priced', amountMsat: 7 }) as unknown as Quote),
      'invalid',
    ],
    ['says more than there is', asked(() => amount(2n ** 63n)), 'invalid'],
    ['says more than the route may cost', asked(() => amount(1_001n), { mostMsat: 1_000n }), 'too_high'],
    ['says that it does not know', asked(() => noPrice('stale', 'old')), 'stale'],
  ])('that %s is a 503, never free', async (_, pricer, outcome) => {
    const events: PricedEvent[] = []
    const { ask } = bench({ onPriced: (event) => events.push(event) })
    const answer = refused(await ask(routeTerms('weather', '/chat', { price: pricer })))
    expect(answer).toMatchObject({ status: 503, reason: 'price_unavailable' })
    expect(answer.headers).toContain('Retry-After')
    expect(events).toMatchObject([{ outcome, kind: 'test', service: 'weather', route: '/chat' }])
  })

  it('has at most 256 questions waiting', async () => {
    const waiting = Promise.withResolvers<Quote>()
    const route = routeTerms('weather', '/chat', { price: asked(() => waiting.promise) })
    const { ask } = bench({ challengeLimit: { limit: 1, perSeconds: 1, exempt: () => true } })
    const all = Array.from({ length: 300 }, () => ask(route))
    waiting.resolve(amount(1_000n))
    const statuses = (await Promise.all(all)).map((decision) => refused(decision).status)
    expect(statuses.filter((status) => status === 402)).toHaveLength(256)
    expect(statuses.filter((status) => status === 503)).toHaveLength(44)
    expect(refused(await ask(route)).status).toBe(402)
  })

  it('is shown no credential, cookie or proof', async () => {
    let shown: readonly string[] = []
    const route = routeTerms('weather', '/chat', {
      price: asked(({ headers }) => {
        shown = headers
        return amount(1_000n)
      }),
    })
    const headers = [
      ...['Authorization', 'Bearer s3cret', 'cookie', 's3cret', 'DPoP', 's3cret', 'Macaroon', 's3cret'],
      ...['Proxy-Authorization', 's3cret', 'Grpc-Metadata-Macaroon', 's3cret', 'X-Model', 'small'],
    ]
    await bench().ask(route, undefined, { headers })
    expect(shown).toEqual(['X-Model', 'small'])
  })

  it('costs no challenge where it says free', async () => {
    const route = routeTerms('weather', '/chat', { price: asked(() => ({ state: 'free' })) })
    const { ask } = bench({ challengeLimit: { limit: 1, perSeconds: 3600 } })
    for (let i = 0; i < 5; i++) expect((await ask(route)).outcome).toBe('pass')
  })
})

describe('a price in fiat money', () => {
  it('is sold at the rate of the moment, and what was bought stays good', async () => {
    let perBtc = { units: 50_000n, scale: 0 }
    const price = fiatPricer('$0.02', { rates: { rateOf: () => ({ perBtc, readAt: 0 }) } })
    const route = routeTerms('weather', '/chat', { price, grants: { valid: '1h' } })
    const { ask, buy } = bench()
    const first = await ask(route)
    expect(priceOf(first)).toBe(40_000n)
    expect(soldIn(first).caveats).toContain('weather_capabilities=/chat')
    const credential = await buy(route)
    perBtc = { units: 25_000n, scale: 0 }
    expect(priceOf(await ask(route))).toBe(80_000n)
    passed(await ask(route, credential))
  })

  it('is a 503 without a rate, while paid requests pass', async () => {
    let rate: { perBtc: { units: bigint; scale: number }; readAt: number } | undefined = {
      perBtc: { units: 50_000n, scale: 0 },
      readAt: 0,
    }
    const price = fiatPricer('€1', { rates: { rateOf: () => rate } })
    const route = routeTerms('weather', '/chat', { price, grants: { valid: '1h' } })
    const { ask, buy } = bench()
    const credential = await buy(route)
    rate = undefined
    expect(refused(await ask(route)).status).toBe(503)
    passed(await ask(route, credential))
  })
})

describe('the terms of a priced route', () => {
  it('need a capability where the price depends on the request', () => {
    const price = expressionPricer('1 sat * bytes')
    expect(() => routeTerms('weather', '/a', { price, anyCapability: true })).toThrow(
      'expected no anyCapability',
    )
    expect(() =>
      routeTerms('weather', '/a', { price, charge: { fixed: '1 sat' }, grants: { credit: '9 sat' } }),
    ).toThrow('expected one price for its credit')
  })

  it('hold no capability that could be taken for one bound to a price', () => {
    expect(() => routeTerms('weather', '/a', { price: '1 sat', capability: 'x;msat=99' })).toThrow(';msat=')
    expect(routeTerms('weather', '/a;msat=99', { price: '1 sat' }).capability).toBe('/a%3Bmsat=99')
  })
})
