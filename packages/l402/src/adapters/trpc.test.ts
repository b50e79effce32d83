import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, TRPCClientError } from '@trpc/client'
import { initTRPC, TRPCError } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { narrowed } from '../../test/gate-bench.ts'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { type Bench, listen, type Mount, openBench } from '../../test/matrix.ts'
import { sessionAt } from '../../test/matrix-sessions.ts'
import { payingFetch } from '../client/index.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { sendUnstated } from './request-bytes.test-suite.ts'
import { type L402Access, l402 } from './trpc.ts'

type FetchEsque = NonNullable<Parameters<typeof httpLink>[0]['fetch']>

let runs = 0
let freeRuns = 0
let fails: TRPCError | Error | null = null

const t = initTRPC.context<{ l402: L402Access | null }>().create()
const router = t.router({
  health: t.procedure.query(({ ctx }) => ({ paid: ctx.l402 !== null })),
  news: t.procedure.query(() => {
    freeRuns++
    return 'none'
  }),
  secret: t.procedure.query(() => 'not listed'),
  weather: t.router({
    forecast: t.procedure.query(({ ctx }) => {
      runs++
      if (fails !== null) throw fails
      return { service: ctx.l402?.service, left: ctx.l402?.left.calls }
    }),
    order: t.procedure.mutation(() => ({ run: ++runs })),
    store: t.procedure.input((value) => value).mutation(() => ({ run: ++runs })),
    chat: t.procedure.mutation(({ ctx }) => ctx.l402?.charge(1_500n)),
    watch: t.procedure.subscription(async function* () {
      yield 'one'
      yield 'two'
    }),
  }),
})

const mount: Mount = (options) => {
  const toll = l402(options)
  const fetch = toll(
    {
      health: { free: true },
      news: { free: true, rateLimits: [{ requests: '4/1d', per: 'route' }] },
      'weather.forecast': { price: '10 sat', grants: { calls: 3 } },
      'weather.order': { price: '1 sat', grants: { calls: 5 } },
      'weather.watch': { price: '1 sat', grants: { calls: 5 } },
      'weather.store': {
        price: '100 sat',
        grants: { credit: '100 sat' },
        charge: { requestBytes: '1 msat', estimate: '1 sat' },
      },
      'weather.chat': {
        price: '100 sat',
        grants: { credit: '100 sat' },
        charge: { byHandler: true, estimate: '5 sat' },
      },
    },
    {
      endpoint: '/trpc',
      handle: (req, paid) =>
        fetchRequestHandler({ endpoint: '/trpc', req, router, createContext: () => ({ l402: paid }) }),
    },
  )
  return listen(createAdaptorServer({ fetch: (request) => fetch(request) }) as Server)
}

const FORECAST = '/trpc/weather.forecast'

describe('the adapter for tRPC', () => {
  let self: Bench
  let url: string
  beforeAll(async () => {
    self = await openBench(mount)
    url = `http://127.0.0.1:${self.port}/trpc`
  })
  afterAll(() => self.close())

  function buying(): FetchEsque {
    const pays = payingFetch({ wallet: self.lightning, purse: memoryPurse() })
    // Its types differ in `undefined` alone.
    return pays as FetchEsque
  }

  beforeEach(() => {
    runs = 0
    freeRuns = 0
    fails = null
    self.storeDown = null
  })

  it('asks for payment with a 402 and its challenge, and the procedure does not run (S1–S7)', async () => {
    const { status, headers, body } = await self.send('GET', FORECAST)
    expect(status).toBe(402)
    expect(headers['www-authenticate']).toMatch(/^L402 macaroon="/)
    expect(JSON.parse(body)).toMatchObject({ code: 'missing', priceMsat: 10_000 })
    expect(runs).toBe(0)
  })

  it('shows its own client the challenge, and sells to it through a paying fetch', async () => {
    const unpaid = createTRPCClient<typeof router>({ links: [httpLink({ url })] })
    const error = await unpaid.weather.forecast.query().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TRPCClientError)
    const response = (error as TRPCClientError<typeof router>).meta?.['response']
    expect(response).toMatchObject({ status: 402 })
    expect((response as Response).headers.get('www-authenticate')).toContain('L402 macaroon=')

    const fetch = buying()
    const client = createTRPCClient<typeof router>({ links: [httpLink({ url, fetch })] })
    expect(await client.weather.forecast.query()).toEqual({ service: 'weather', left: 2 })
    expect(await client.weather.forecast.query()).toEqual({ service: 'weather', left: 1 })
    expect(await client.weather.order.mutate()).toEqual({ run: 3 })
    expect(await client.health.query()).toEqual({ paid: false })
  })

  it('counts each call, and sells again when they are used up', async () => {
    const headers = ['Authorization', await self.buy('GET', FORECAST)]
    for (const left of [2, 1, 0])
      expect(await self.send('GET', FORECAST, { headers })).toMatchObject({
        status: 200,
        headers: { ratelimit: `"calls";r=${left}` },
      })
    const spent = await self.send('GET', FORECAST, { headers })
    expect(spent.status).toBe(402)
    expect(JSON.parse(spent.body)).toMatchObject({ code: 'exhausted' })
    expect(runs).toBe(3)
  })

  it('gives the use back where the procedure fails, and the error stays tRPC’s', async () => {
    const headers = ['Authorization', await self.buy('GET', FORECAST)]
    fails = new Error('the procedure’s own')
    for (let i = 0; i < 4; i++) {
      const { status, body, headers: said } = await self.send('GET', FORECAST, { headers })
      expect({ status, said: said['www-authenticate'] }).toEqual({ status: 500, said: undefined })
      expect(JSON.parse(body)).toMatchObject({ error: { message: 'the procedure’s own' } })
    }
    fails = new TRPCError({ code: 'BAD_REQUEST' })
    expect((await self.send('GET', FORECAST, { headers })).status).toBe(400)
    fails = null
    // An answer below 500 is used, as everywhere.
    for (const status of [200, 200, 402])
      await expect.poll(async () => (await self.send('GET', FORECAST, { headers })).status).toBe(status)
  })

  it('charges what the procedure says', async () => {
    const credential = await self.buy('POST', '/trpc/weather.chat')
    const headers = ['Authorization', credential, 'Content-Type', 'application/json']
    expect((await self.send('POST', '/trpc/weather.chat', { headers })).status).toBe(200)
    await expect.poll(async () => (await self.used(credential))?.used).toBe(1_500n)
  })

  it('runs a mutation once for the same Idempotency-Key (rule 10)', async () => {
    const target = '/trpc/weather.order'
    const credential = await self.buy('POST', target)
    const headers = ['Authorization', credential, 'Content-Type', 'application/json', 'Idempotency-Key', 'k1']
    const [first, again] = [
      await self.send('POST', target, { headers, body: '{}' }),
      await self.send('POST', target, { headers, body: '{}' }),
    ]
    expect([first.status, again.status, again.body]).toEqual([200, 200, first.body])
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(runs).toBe(1)
  })

  it('streams a subscription as one use', async () => {
    const target = '/trpc/weather.watch'
    const headers = ['Authorization', await self.buy('GET', target)]
    const { status, body, headers: said } = await self.send('GET', target, { headers })
    expect({ status, left: said['ratelimit'] }).toEqual({ status: 200, left: '"calls";r=4' })
    expect(body).toContain('data: "one"')
    expect(body).toContain('data: "two"')
  })

  it('serves nothing where the books are down (rule 9)', async () => {
    const headers = ['Authorization', await self.buy('GET', FORECAST)]
    self.storeDown = 'reserve'
    expect((await self.send('GET', FORECAST, { headers })).status).toBe(503)
    expect(runs).toBe(0)
  })

  it('takes batches of free procedures, and of one paid one, but not of several', async () => {
    const fetch = buying()
    const client = createTRPCClient<typeof router>({ links: [httpBatchLink({ url, fetch })] })
    expect(await Promise.all([client.health.query(), client.health.query()])).toEqual([
      { paid: false },
      { paid: false },
    ])
    expect(await client.weather.forecast.query()).toMatchObject({ left: 2 })
    runs = 0
    const headers = ['Authorization', await self.buy('GET', FORECAST)]
    for (const names of [
      'weather.forecast,health',
      'weather.forecast,weather.forecast',
      'health,weather.order',
    ]) {
      const target = `/trpc/${names}?batch=1&input={}`
      const { status, body } = await self.send('GET', target, { headers })
      expect([status, JSON.parse(body).code]).toEqual([400, 'bad_target'])
    }
    expect(runs).toBe(0)
  })

  it('counts each call of a batch of free procedures in its own rates, and runs none where one is over them', async () => {
    const batch = (names: string) => self.send('GET', `/trpc/${names}?batch=1&input={}`)
    expect((await batch('news,health,news')).status).toBe(200)
    expect(freeRuns).toBe(2)
    expect((await batch('news')).status).toBe(200)
    const over = await batch('health,news,news')
    expect([over.status, JSON.parse(over.body).code]).toEqual([429, 'rate_limited'])
    expect((await batch('news')).status).toBe(429)
    expect((await batch('health,health')).status).toBe(200)
    expect(freeRuns).toBe(3)
  })

  it('ends orders about a session, and preflights, in the gate, where all that is called is free too', async () => {
    const session = await sessionAt(self, FORECAST)
    const batch = `${url}/health,health?batch=1&input={}`
    expect((await fetch(`${url}/weather.forecast`, { headers: session.lines })).status).toBe(200)
    const closed = await fetch(batch, { headers: session.closeLines })
    expect([closed.status, await closed.json()]).toMatchObject([200, { status: 'closed' }])
    expect((await fetch(batch, { method: 'OPTIONS' })).status).toBe(204)
  })

  it('charges the bytes of a call’s body, and asks for their number where it is not stated', async () => {
    const path = '/trpc/weather.store'
    const credential = await self.buy('POST', path)
    const headers = ['Content-Type', 'application/json', 'Authorization', credential]
    const unstated = await sendUnstated(self, { lines: headers, pieces: ['{"a":', '1}'], path })
    expect([unstated.status, runs]).toEqual([411, 0])
    expect((await self.send('POST', path, { headers, body: '{"a":1}' })).status).toBe(200)
    await expect.poll(async () => (await self.used(credential))?.used).toBe(7n)
  })

  it('lets no address in that is shut out, whatever it calls', async () => {
    const shut = await openBench((options, routes) => mount({ ...options, allow: [] }, routes))
    for (const names of ['health', 'health,health', 'news,health', 'weather.forecast'])
      for (const method of ['GET', 'POST', 'HEAD'])
        expect((await shut.send(method, `/trpc/${names}?batch=1&input={}`)).status, names).toBe(403)
    expect([runs, freeRuns]).toEqual([0, 0])
    await shut.close()
  })

  it('refuses a paid call that is to be answered in lines, which are a 200 whatever becomes of it', async () => {
    const client = createTRPCClient<typeof router>({ links: [httpBatchStreamLink({ url })] })
    await expect(client.weather.forecast.query()).rejects.toThrow()
    const lines = ['trpc-accept', 'application/jsonl']
    const { status, body } = await self.send('GET', `${FORECAST}?batch=1`, { headers: lines })
    expect([status, JSON.parse(body).detail]).toEqual([
      400,
      'expected to be asked for application/json, as by httpLink',
    ])
    expect(await client.health.query()).toEqual({ paid: false })
    expect(runs).toBe(0)
  })

  it.each([
    '/trpc/secret',
    '/trpc/health,secret?batch=1',
    '/trpc/weather.forecast/',
    '/trpc//weather.forecast',
    '//trpc/weather.forecast',
    '/trpc/weather%2Eforecast',
    '/trpc/weather/forecast',
    '/trpc/health%2Cweather.forecast?batch=1',
    '/trpc/health/../weather.forecast',
    '/trpc/WEATHER.forecast',
    '/trpc/weather.forecast%00',
    '/trpc/weather.forecast,?batch=1',
    '/trpc/weather.forecast?batch=1&batch=0',
    '/trpcx/weather.forecast',
    '/trpc\\weather.forecast',
    '/trpc/__proto__',
    '/trpc',
    '/xtrpc/weather.forecast',
    'http://evil.example/trpc/weather.forecast',
  ])('runs nothing unpaid that is spelt %s', async (target) => {
    for (const method of ['GET', 'POST', 'HEAD']) {
      const { status, body } = await self.send(method, target)
      expect([400, 402, 404]).toContain(status)
      expect(body).not.toContain('not listed')
    }
    expect(runs).toBe(0)
  })

  it('runs no paid procedure unpaid, however its path is spelt', async () => {
    const other = await self.buy('POST', '/trpc/weather.order')
    const elsewhere = narrowed(await self.buy('GET', FORECAST), 'weather_paths=/trpc/weather.watch')
    for (const target of hostileTargets('trpc', 'weather.forecast'))
      for (const headers of [[], ['Authorization', other], ['Authorization', elsewhere]]) {
        const answer = await self.send('GET', target, { headers }).catch(() => ({ status: 400 }))
        expect([400, 402, 404], target).toContain(answer.status)
      }
    expect(runs).toBe(0)
  })

  it('refuses at set-up what no request could ask for', () => {
    const toll = l402({
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { weather: {} },
    })
    const handle = () => new Response()
    for (const path of ['a,b', '/a', 'a%2Eb', '..', ''])
      expect(() => toll({ [path]: { free: true } }, { endpoint: '/trpc', handle })).toThrow(
        /^invalid procedure .*: expected its path, e\.g\. weather\.forecast$/,
      )
    expect(() => toll({ a: { free: true } }, { endpoint: 'trpc', handle })).toThrow(
      'invalid endpoint trpc: expected a path, e.g. /trpc',
    )
  })
})
