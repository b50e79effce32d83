import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { narrowed } from '../../test/gate-bench.ts'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { type Bench, listen, type Mount, openBench } from '../../test/matrix.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { L402Route } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { l402 } from './next-proxy.ts'

/** What the page behind the proxy answers. */
let page: () => Response

/** The documented contract of `proxy.ts`: `NextResponse.next()` goes on to the page, anything else is the answer. */
const mount: Mount = (options, routes) => {
  const toll = l402(options)
  const pass = routes.find(({ path }) => path === '/pass')
  const proxy = toll({ ...(pass?.offer as L402Route) }, (_request, access) => {
    return new Response(null, { headers: { 'X-Middleware-Next': '1', 'X-Service': String(access?.service) } })
  })
  const free = toll({ name: '/open', free: true }, (_request, access) => Response.json({ access }))
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url)
    if (pathname === '/open') return free(request)
    const answer = await proxy(request)
    if (!answer.headers.has('x-middleware-next')) return answer
    const { status, body, headers } = page()
    return new Response(body, { status, headers: [...headers, ...answer.headers] })
  }
  return listen(createAdaptorServer({ fetch }) as Server)
}

describe('the adapter for Next’s proxy', () => {
  let self: Bench
  beforeAll(async () => {
    self = await openBench(mount)
  })
  afterAll(() => self.close())

  it('asks for payment, and nothing goes on to the page (S1–S8)', async () => {
    page = () => {
      throw new Error('not paid for')
    }
    const unpaid = await self.send('GET', '/pass')
    expect(unpaid.status).toBe(402)
    expect(unpaid.headers['www-authenticate']).toMatch(/^L402 macaroon="/)
    expect(JSON.parse(unpaid.body)).toMatchObject({ code: 'missing', priceMsat: 10_000 })
    const forBrowsers = await self.send('GET', '/pass', { headers: ['Accept', 'text/html'] })
    expect(forBrowsers).toMatchObject({
      status: 402,
      headers: { 'content-type': 'text/html; charset=utf-8' },
    })
    expect((await self.send('HEAD', '/pass')).status).toBe(402)
  })

  it('lets a paid request go on for as long as was paid for, whatever the page answers', async () => {
    const headers = ['Authorization', await self.buy('GET', '/pass')]
    for (const status of [200, 500, 200]) {
      page = () => new Response('the page', { status })
      expect(await self.send('GET', '/pass', { headers })).toMatchObject({
        status,
        body: 'the page',
        headers: { 'x-service': 'weather' },
      })
    }
    const forged = headers.map((each) => each.replace(/.$/, (last) => (last === '0' ? '1' : '0')))
    expect((await self.send('GET', '/pass', { headers: forged })).status).toBe(402)
  })

  it('keeps no answer for an Idempotency-Key: the page answers each time', async () => {
    const headers = ['Authorization', await self.buy('GET', '/pass'), 'Idempotency-Key', 'k1']
    let answers = 0
    page = () => new Response(`answer ${++answers}`)
    for (const body of ['answer 1', 'answer 2'])
      expect(await self.send('POST', '/pass', { headers, body: 'tea' })).toMatchObject({ status: 200, body })
  })

  it('lets nothing go on unpaid, however its path is spelt', async () => {
    let pages = 0
    page = () => new Response(`page ${++pages}`)
    const elsewhere = narrowed(await self.buy('GET', '/pass'), 'weather_paths=/forecast/y')
    for (const target of hostileTargets('forecast', 'x'))
      for (const headers of [[], ['Authorization', elsewhere]]) {
        const answer = await self.send('GET', target, { headers }).catch(() => ({ status: 400 }))
        expect([400, 402], target).toContain(answer.status)
      }
    expect(pages).toBe(0)
  })

  it('lets a free route go on for anybody', async () => {
    expect(await self.send('GET', '/open')).toMatchObject({ status: 200, body: '{"access":null}' })
  })

  it('lets no address go on that is shut out, to a free route neither', async () => {
    let pages = 0
    page = () => new Response(`page ${++pages}`)
    const shut = await openBench((options, routes) => mount({ ...options, allow: [] }, routes))
    for (const method of ['GET', 'HEAD', 'POST'])
      for (const target of ['/open', '/pass']) expect((await shut.send(method, target)).status).toBe(403)
    expect(pages).toBe(0)
    await shut.close()
  })

  it.each<[string, Omit<L402Route, 'name'>]>([
    ['grants', { price: '1 sat' }],
    ['grants', { price: '1 sat', grants: { calls: 5, valid: '1h' } }],
    ['grants', { price: '1 sat', grants: { credit: '1 sat' }, charge: { fixed: '1 msat' } }],
    ['freebie', { price: '1 sat', grants: { valid: '1h' }, freebie: '5/1d' }],
  ])('refuses at set-up to count what it cannot give back: %s of %j', (part, offer) => {
    const toll = l402({
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { weather: {} },
    })
    expect(() => toll({ name: '/x', ...offer }, () => new Response())).toThrow(
      new RegExp(`^invalid ${part} of route "/x": expected`),
    )
  })
})
