import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, narrowed, PASS, passed, refused } from '../../../test/gate-bench.ts'
import { L402Error } from '../../core/errors.ts'
import { memoryLightning } from '../../lightning/memory.ts'
import type { Ledger } from '../../stores/ledger.ts'
import { memoryStore } from '../../stores/memory/index.ts'
import { sqliteStore } from '../../stores/sqlite/index.ts'
import type { Decision } from '../gate.ts'
import { routeTerms } from '../route-terms.ts'
import { withServicePolicy } from './route-policy.ts'

const GRPC = ['Content-Type', 'application/grpc']
const GIFT = routeTerms('weather', 'GET /gift', { price: '10 sat', freebie: '2/1d' })
const isFreebie = (decision: Decision): boolean =>
  decision.outcome === 'pass' && decision.entitlement?.freebie === true

describe('freebies', () => {
  it('let each client prefix through so many times a day, then ask for money', async () => {
    const { ask, ...self } = bench()
    const first = passed(await ask(GIFT)).entitlement
    expect(first).toMatchObject({ tokenId: '', paymentHash: '', counted: true })
    expect(first?.answerHeaders.slice(0, 3)).toEqual([
      'RateLimit-Policy',
      '"freebie";q=2;w=86400',
      'RateLimit',
    ])
    expect(first?.answerHeaders[3]).toMatch(/^"freebie";r=1;t=[0-9]+$/)
    expect(isFreebie(await ask(GIFT, undefined, { clientAddress: '::ffff:192.0.2.99' }))).toBe(true)
    expect(refused(await ask(GIFT))).toMatchObject({ status: 402, reason: 'missing' })
    expect(isFreebie(await ask(GIFT, undefined, { clientAddress: '198.51.100.1' }))).toBe(true)
    expect(isFreebie(await ask(GIFT, undefined, { clientAddress: '2001:db8:1:2::1' }))).toBe(true)
    expect(isFreebie(await ask(GIFT, undefined, { clientAddress: '2001:db8:1:ffff::1' }))).toBe(true)
    expect(refused(await ask(GIFT, undefined, { clientAddress: '2001:db8:1:3::1' })).status).toBe(402)
    expect(self.ledger).toBeDefined()
  })

  it('come back with the next day', async () => {
    const self = bench()
    await self.ask(GIFT)
    await self.ask(GIFT)
    expect(refused(await self.ask(GIFT)).status).toBe(402)
    self.clock += 86_400_000
    expect(isFreebie(await self.ask(GIFT))).toBe(true)
  })

  it('are given back where the resource was not served', async () => {
    const { ask } = bench()
    for (let i = 0; i < 5; i++) await passed(await ask(GIFT)).entitlement?.release()
    for (let i = 0; i < 2; i++) {
      const { entitlement } = passed(await ask(GIFT))
      await entitlement?.serve()
      await entitlement?.commit({ costMsat: 5n })
    }
    expect(refused(await ask(GIFT)).status).toBe(402)
  })

  it('are exact when all come at once, through two gates on one store', async () => {
    const ledger = memoryStore()
    const gates = [bench({ ledger }), bench({ ledger })]
    const decisions = await Promise.all(Array.from({ length: 50 }, (_, index) => gates[index % 2]?.ask(GIFT)))
    expect(decisions.filter((decision) => decision !== undefined && isFreebie(decision))).toHaveLength(2)
  })

  it('are remembered over a restart, and leave no rows when their day is long over', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'freebies-'))
    const file = join(folder, 'books.db')
    const first = bench({ ledger: await sqliteStore({ file }) })
    for (let i = 0; i < 2; i++) {
      const { entitlement } = passed(await first.ask(GIFT))
      await entitlement?.serve()
      await entitlement?.commit()
    }
    await first.ledger.close()
    const later = first.clock + 3 * 86_400_000
    let clock = first.clock
    const second = bench({ ledger: await sqliteStore({ file, now: () => clock }) })
    expect(refused(await second.ask(GIFT)).status).toBe(402)
    clock = later
    // Counter of the prefix, counter of all, and the line that stands for who paid.
    expect(await second.ledger.prune()).toBe(3)
    await second.ledger.close()
    rmSync(folder, { recursive: true })
  })

  it('of a service are of its paid routes together, and a route may have its own', async () => {
    const offered = { freebie: '1/1d' }
    const [one, two] = ['GET /one', 'GET /two'].map((match) =>
      withServicePolicy(routeTerms('weather', match, { price: '1 sat' }), offered),
    ) as [typeof PASS, typeof PASS]
    const own = withServicePolicy(GIFT, offered)
    const { ask } = bench()
    expect(isFreebie(await ask(one))).toBe(true)
    expect(refused(await ask(two)).status).toBe(402)
    expect([isFreebie(await ask(own)), isFreebie(await ask(own)), isFreebie(await ask(own))]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('are not touched by a request with a valid credential, and serve one whose credential is used up', async () => {
    const route = routeTerms('weather', 'GET /one', { price: '1 sat', freebie: '1/1d' })
    const { ask, buy } = bench()
    passed(await ask(route))
    const credential = await buy(route)
    const other = { clientAddress: '198.51.100.1' }
    expect(isFreebie(await ask(route, credential, other))).toBe(false)
    expect(isFreebie(await ask(route, credential, other))).toBe(true)
    expect(refused(await ask(route, credential, other))).toMatchObject({ status: 402, reason: 'exhausted' })
  })

  it('are not for nothing while the books cannot be written', async () => {
    const down = (): Promise<never> => Promise.reject(new L402Error('store_unavailable', 'disk full'))
    const ledger: Ledger = { ...memoryStore(), reserve: down, isRevoked: () => false }
    expect(refused(await bench({ ledger }).ask(GIFT))).toMatchObject({
      status: 503,
      reason: 'store_unavailable',
    })
  })

  it.each(['5', '0/1d', '-1/1d', '5/', '5/400d', 'five/1d'])('are not %j', (freebie) => {
    expect(() => routeTerms('weather', '/x', { price: '1 sat', freebie })).toThrow(/freebie|duration/)
  })

  it('are not for a free route', () => {
    expect(() => routeTerms('weather', '/x', { free: true, freebie: '1/1d' })).toThrow(RangeError)
  })
})

describe('rate limits', () => {
  const limitedTo = (requests: string, per: 'token' | 'address' | 'route', more = {}) =>
    routeTerms('weather', 'GET /forecast/*', {
      price: '10 sat',
      grants: { valid: '1h' },
      rateLimits: [{ requests, per }],
      ...more,
    })

  it('answer 429 with Retry-After, and gRPC with status 8', async () => {
    const route = limitedTo('2/5s', 'token')
    const { ask, buy } = bench()
    const credential = await buy(route)
    passed(await ask(route, credential))
    passed(await ask(route, credential))
    const answer = refused(await ask(route, credential))
    expect(answer).toMatchObject({ status: 429, reason: 'rate_limited' })
    expect(answer.headers).toEqual(expect.arrayContaining(['Retry-After', '3']))
    const grpc = refused(await ask(route, undefined, { headers: ['Authorization', credential, ...GRPC] }))
    expect(grpc).toMatchObject({ status: 200, grpc: true })
    expect(grpc.headers).toEqual(expect.arrayContaining(['grpc-status', '8', 'Retry-After', '3']))
  })

  it('per token are of the token, with all its copies, and of no other one', async () => {
    const route = limitedTo('1/1m', 'token')
    const self = bench()
    const [one, other] = [await self.buy(route), await self.buy(route)]
    passed(await self.ask(route, one))
    expect(refused(await self.ask(route, narrowed(one, 'note=1'))).status).toBe(429)
    passed(await self.ask(route, other))
    self.clock += 60_000
    passed(await self.ask(route, one))
  })

  it('per token let another token beside it through, and answer 429 where none passes (V2)', async () => {
    const route = limitedTo('1/1m', 'token')
    const { ask, buy } = bench()
    const [first, second] = [await buy(route), await buy(route)]
    const both = { headers: ['Authorization', first, 'Authorization', second] }
    passed(await ask(route, undefined, both))
    passed(await ask(route, undefined, both))
    const none = refused(await ask(route, undefined, both))
    expect(none).toMatchObject({ status: 429, reason: 'rate_limited' })
    expect(none.headers).not.toContain('WWW-Authenticate')
  })

  it('per token do not count what carries garbage, which gets its 402', async () => {
    const route = limitedTo('1/1m', 'token')
    const { ask, buy } = bench()
    const credential = await buy(route)
    for (let i = 0; i < 3; i++)
      expect(refused(await ask(route, credential.replace(/.$/, 'x'))).status).toBe(402)
    passed(await ask(route, credential))
  })

  it('per address count unpaid requests and garbage too', async () => {
    const route = limitedTo('2/1m', 'address')
    const { ask, buy } = bench()
    const credential = await buy(route)
    expect(refused(await ask(route, 'L402 garbage')).status).toBe(402)
    expect(refused(await ask(route)).status).toBe(429)
    expect(refused(await ask(route, credential, { clientAddress: '192.0.2.200' })).status).toBe(429)
    passed(await ask(route, credential, { clientAddress: '198.51.100.1' }))
  })

  it('per route do not count unpaid requests, or nobody could buy what others use up', async () => {
    const route = limitedTo('1/1m', 'route')
    const { ask, buy } = bench()
    const credential = await buy(route)
    for (let i = 0; i < 5; i++) expect(refused(await ask(route)).status).toBe(402)
    passed(await ask(route, credential))
    expect(refused(await ask(route, await buy(route))).status).toBe(429)
  })

  it('must all have room, or none counts the request', async () => {
    const route = withServicePolicy(limitedTo('1/1m', 'token'), {
      rateLimits: [{ requests: '2/1m', per: 'route' }],
    })
    const { ask, buy } = bench()
    const [one, other] = [await buy(route), await buy(route)]
    passed(await ask(route, one))
    for (let i = 0; i < 3; i++) expect(refused(await ask(route, one)).status).toBe(429)
    passed(await ask(route, other))
  })

  it('use nothing up: neither a call nor a freebie, and a used-up credential leaves the rate alone', async () => {
    const bundle = routeTerms('weather', 'POST /query', {
      price: '1 sat',
      grants: { calls: 2 },
      rateLimits: [{ requests: '1/1m', per: 'route' }],
    })
    const self = bench()
    const credential = await self.buy(bundle)
    await passed(await self.ask(bundle, credential)).entitlement?.commit()
    for (let i = 0; i < 5; i++) expect(refused(await self.ask(bundle, credential)).status).toBe(429)
    self.clock += 60_000
    await passed(await self.ask(bundle, credential)).entitlement?.commit()
    self.clock += 60_000
    for (let i = 0; i < 3; i++) expect(refused(await self.ask(bundle, credential)).status).toBe(402)
    passed(await self.ask(bundle, await self.buy(bundle)))

    const gift = routeTerms('weather', 'GET /gift', {
      price: '1 sat',
      freebie: '2/1d',
      rateLimits: [{ requests: '1/1m', per: 'token' }],
    })
    expect(isFreebie(await self.ask(gift))).toBe(true)
    for (let i = 0; i < 5; i++) expect(refused(await self.ask(gift)).status).toBe(429)
    self.clock += 60_000
    expect(isFreebie(await self.ask(gift))).toBe(true)
  })

  it('are for the requests they match, free ones too', async () => {
    const route = routeTerms('weather', '/*', {
      free: true,
      rateLimits: [{ match: 'POST /strict/*', requests: '1/1m', per: 'address' }],
    })
    const { ask } = bench()
    const strict = { method: 'POST', path: '/strict/x' }
    for (let i = 0; i < 100; i++) passed(await ask(route))
    passed(await ask(route, undefined, strict))
    expect(refused(await ask(route, undefined, strict)).status).toBe(429)
    passed(await ask(route))
  })

  it('can be counted by somebody else, who answers later', async () => {
    const taken: string[] = []
    const limits = {
      take: async (asks: readonly { key: string }[]) => {
        taken.push(...asks.map(({ key }) => key))
        return taken.length > 1 ? 500 : 0
      },
      giveBack: () => {},
    }
    const { ask } = bench({ limits })
    const route = routeTerms('weather', '/*', {
      free: true,
      rateLimits: [{ requests: '9/1s', per: 'address' }],
    })
    passed(await ask(route))
    expect(refused(await ask(route)).headers).toEqual(expect.arrayContaining(['Retry-After', '1']))
    expect(taken).toEqual(['192.0.2.0/24', '192.0.2.0/24'])
  })

  it.each([
    [{ requests: '0/1s', per: 'token' }],
    [{ requests: '10', per: 'token' }],
    [{ requests: '10/1s', per: 'client' }],
    [{ requests: '10/1s', per: 'token', burst: 0 }],
    [{ requests: '10/1s', per: 'token', match: 'no path' }],
  ])('are not %j', (limit) => {
    const offer = { price: '1 sat', rateLimits: [limit as never] }
    expect(() => routeTerms('weather', '/x', offer)).toThrow(/expected/)
  })
})

describe('a route that sells nothing', () => {
  const route = { ...BUNDLE, skipInvoice: true } as const

  it('answers 401 without macaroon and invoice, and lets in what was bought elsewhere', async () => {
    const lightning = memoryLightning()
    lightning.offline = true
    const answer = refused(await bench({ lightning }).ask(route))
    expect(answer).toMatchObject({ status: 401, reason: 'missing' })
    expect(`${answer.headers.join()}${answer.body}`).not.toMatch(/macaroon|invoice=|lnbc/)
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    passed(await ask(route, credential))
    expect(refused(await ask(route, 'L402 garbage'))).toMatchObject({ status: 401, reason: 'malformed' })
  })

  it('answers gRPC with status 13, unauthorized', async () => {
    const { headers } = refused(await bench().ask(route, undefined, { headers: GRPC }))
    expect(headers).toEqual(expect.arrayContaining(['grpc-status', '13', 'grpc-message', 'unauthorized']))
    expect(headers).not.toContain('WWW-Authenticate')
  })

  it('needs no price', () => {
    expect(routeTerms('weather', '/x', { skipInvoice: true, capability: 'x' }).skipInvoice).toBe(true)
  })
})

describe('a route in shadow', () => {
  const shadow = { ...BUNDLE, shadow: true } as const

  it('lets everything through, tells what it would have refused, and makes no invoice', async () => {
    const lightning = memoryLightning()
    lightning.offline = true
    const { ask } = bench({ lightning, challengeLimit: { limit: 1, perSeconds: 60 } })
    for (let i = 0; i < 3; i++)
      expect(await ask(shadow)).toEqual({ outcome: 'pass', entitlement: null, shadow: 'missing' })
    expect(await ask(shadow, 'L402 garbage')).toMatchObject({ outcome: 'pass', shadow: 'malformed' })
  })

  it('draws from a valid credential, and goes on when it is used up', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    for (let i = 0; i < 3; i++) {
      const { entitlement } = passed(await ask(shadow, credential))
      await entitlement?.serve()
      await entitlement?.commit()
    }
    expect(await ask(shadow, credential)).toMatchObject({ entitlement: null, shadow: 'exhausted' })
    expect(refused(await ask(BUNDLE, credential)).reason).toBe('exhausted')
  })

  it('refuses nobody for a rate, for books that are down, or for an Idempotency-Key', async () => {
    const limited = routeTerms('weather', '/x', {
      price: '1 sat',
      shadow: true,
      rateLimits: [{ requests: '1/1h', per: 'address' }],
    })
    const { ask } = bench()
    expect(await ask(limited)).toMatchObject({ shadow: 'missing' })
    expect(await ask(limited)).toMatchObject({ outcome: 'pass', shadow: 'rate_limited' })
    const down = (): Promise<never> => Promise.reject(new L402Error('store_unavailable', 'disk full'))
    const books = memoryStore()
    const self = bench({ ledger: { ...books, isRevoked: () => false, serve: down } })
    const credential = await self.buy(BUNDLE)
    const headers = ['Authorization', credential, 'Idempotency-Key', 'one']
    const request = { method: 'POST', path: '/', headers, clientAddress: '', route: shadow }
    expect(self.gate.wantsDigest(request)).toBe(false)
    await passed(await self.ask(shadow, credential)).entitlement?.serve()
  })

  it('is still closed to addresses that are blocked', async () => {
    expect(refused(await bench({ block: ['192.0.2.0/24'] }).ask(shadow))).toMatchObject({ status: 403 })
  })
})

describe('block and allow lists', () => {
  it('answer 403 to a blocked client, paid or not, and gRPC with status 7', async () => {
    const credential = await bench().buy(PASS)
    const { ask } = bench({ block: ['192.0.2.0/25', '2001:db8::/32'] })
    expect(refused(await ask(PASS, credential))).toMatchObject({ status: 403, reason: 'address_denied' })
    for (const clientAddress of ['::ffff:192.0.2.7', '2001:db8:ffff::1', '2001:db8::1%eth0'])
      expect(refused(await ask(PASS, credential, { clientAddress })).status).toBe(403)
    for (const clientAddress of ['192.0.2.128', '2001:db9::1', 'unknown'])
      passed(await ask(PASS, credential, { clientAddress }))
    const { headers } = refused(await ask(PASS, undefined, { headers: GRPC }))
    expect(headers).toEqual(expect.arrayContaining(['grpc-status', '7']))
  })

  it('let in only who is on an allow list, and nobody whom a block list names too', async () => {
    const { ask } = bench({
      services: { weather: { allow: ['192.0.2.0/24', '10.0.0.1'], block: ['192.0.2.9/32'] } },
    })
    expect(refused(await ask(PASS)).status).toBe(402)
    expect(refused(await ask(PASS, undefined, { clientAddress: '10.0.0.1' })).status).toBe(402)
    for (const clientAddress of ['192.0.2.9', '10.0.0.2', '::1', ''])
      expect(refused(await ask(PASS, undefined, { clientAddress })).status).toBe(403)
  })

  it('of nothing at all let nobody in', async () => {
    expect(refused(await bench({ allow: [] }).ask(PASS)).status).toBe(403)
  })

  it.each(['192.0.2.0/33', '::/129', 'example.com', '1.2.3.4/8/8', '1.2.3.4/', ''])('refuse %j', (block) => {
    expect(() => bench({ block: [block] })).toThrow(RangeError)
  })
})
