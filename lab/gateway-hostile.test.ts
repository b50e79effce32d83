/**
 * Seeded hostile requests at the built gateway: `npm run lab -- gateway-hostile --requests 100000 --seed 7`. The upstream
 * reads as generously as it can and writes down what it finds.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../packages/gateway/test/e2e/client.ts'
import {
  type Bought,
  buy,
  cleanUp,
  folderWith,
  type Program,
  serve,
} from '../packages/gateway/test/e2e/program.ts'
import { assault, printTallies } from './lib/adversary/assault.ts'
import { type GenerousUpstream, readings, startGenerousUpstream } from './lib/adversary/generous.ts'
import { numberOf } from './lib/flags.ts'

const requests = numberOf('LAB_REQUESTS', 10_000)
const seed = numberOf('LAB_SEED', 1 + Math.floor(Math.random() * 1e8))
const PREFIXES = { open: '/shop/', shop: '/shop/' }
const HOSTS = { open: 'open.test', shop: 'shop.test' }

const shop = (upstream: string): string => {
  const service = (name: string, terms: string, more = ''): string => `  ${name}:
    upstream: ${upstream}
    ${more}
    headers: { request: { set: { X-Matched: ${name} } } }
    routes:
      - { match: "${name in PREFIXES ? '/shop/*' : `/${name}/*`}", ${terms} }
`
  return `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: sqlite:turnpike.db
lightning: sandbox
challenges: { limit: off, reuse: true }
log: { level: warn, requests: none }
services:
${service('free', 'free: true')}${service('paid', 'price: 1 sat')}${service('pass', 'price: 10 sat, grants: { valid: 7d }')}${service('bundle', 'price: 10 sat, grants: { calls: 1000000 }')}${service('open', 'free: true', 'hosts: [open.test]')}${service('shop', 'price: 1 sat', 'hosts: [shop.test]')}`
}

let upstream: GenerousUpstream
let gateway: Program
let pass: Bought
let bundle: Bought
const tokens = new Set<string>()
const secrets: string[] = []

beforeAll(async () => {
  upstream = await startGenerousUpstream({
    free: ['free', 'open'],
    prefixes: PREFIXES,
    hosts: HOSTS,
    tokens,
    secrets,
  })
  gateway = await serve(folderWith(shop(upstream.origin)))
  pass = await buy(gateway, '/pass/x')
  bundle = await buy(gateway, '/bundle/x')
  for (const { tokenId, preimage } of [pass, bundle]) {
    tokens.add(tokenId)
    secrets.push(preimage)
  }
})
afterAll(async () => {
  await cleanUp()
  await upstream.close()
})

const fetched = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
  (await ask(gateway.url, 'GET', path, { headers })).status

describe('a generous upstream', () => {
  it('finds the paid prefix in all of these', () => {
    for (const target of [
      '/free/..%2fpaid/x',
      '/free/..;a/paid/x',
      '/free/%252e%252e/paid/x',
      '/free\\..\\paid/x',
    ])
      expect([...readings(target)]).toContain('/paid/x')
    expect([...readings('/free/x')]).toEqual(['/free/x'])
  })

  it('knows an unpaid request, a forged one and one that comes twice', async () => {
    const own = await startGenerousUpstream({ free: ['free'], prefixes: {}, hosts: {}, tokens, secrets })
    const send = (matched: string, headers: Record<string, string>): Promise<unknown> =>
      ask(own.origin, 'GET', `/${matched}/x`, { headers: { 'X-Matched': matched, ...headers } })
    await send('free', { 'X-Probe': 'a' })
    expect(own.wrongs).toEqual([])
    await send('paid', { 'X-Probe': 'b' })
    await send('free', { 'X-Probe': 'c', 'X-L402-Token-Id': 'a' })
    await send('free', { 'X-Probe': 'a' })
    await send('free', { 'X-Probe': 'dh' })
    expect(own.wrongs.map((wrong) => wrong.replace(/: GET.*/, ''))).toEqual([
      'b: unpaid',
      'b: with a token that was not sold',
      'c: free, and with x-l402-token-id',
      'a: arrived 2 times',
      'dh: was hidden in another one',
    ])
    await own.close()
  })
})

describe(`${requests} hostile requests, --seed ${seed}`, () => {
  it(
    'reach no upstream unpaid, none of them twice, and none is answered with 500 or above',
    async () => {
      const came = await assault({
        port: gateway.port,
        requests,
        seed,
        pass: pass.authorization,
        bundle: bundle.authorization,
      })
      console.log(
        `${requests} hostile requests, --seed ${seed}; ${upstream.total} of them or in them arrived`,
      )
      printTallies(came)
      expect(came.wrongs).toEqual([])
      expect(upstream.wrongs).toEqual([])
      // Neither all nor none of what may arrive has arrived.
      const arrived = [...upstream.arrivals.keys()]
      expect(arrived.filter((probe) => probe.endsWith('p')).length).toBeGreaterThan(0)
      expect(arrived.filter((probe) => /\d$/.test(probe)).length).toBeGreaterThan(0)
      expect(arrived.length).toBeLessThan(requests)
    },
    60 * 60_000,
  )

  it('leave a gateway that serves, and books that are right', async () => {
    expect(await fetched('/free/x', { 'X-Probe': 'last' })).toBe(200)
    expect(await fetched('/paid/x', { 'X-Probe': 'last' })).toBe(402)
    expect(await fetched('/pass/x', { Authorization: pass.authorization, 'X-Probe': 'last-p' })).toBe(200)
    expect(upstream.wrongs).toEqual([])
    const counted = [...upstream.arrivals.keys()].filter((probe) => probe.endsWith('p')).length
    const left = await ask(gateway.url, 'GET', '/bundle/x', {
      headers: { Authorization: bundle.authorization, 'X-Probe': 'bundle-p' },
    })
    const used = 1_000_000 - Number(/r=(\d+)/.exec(left.header('ratelimit'))?.[1])
    // Each arrival was counted or given back; nothing was counted that did not arrive.
    expect(used).toBeGreaterThan(0)
    expect(used).toBeLessThanOrEqual(counted + 1)
  })
})
