import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { attenuateMacaroon, decodeMacaroon, encodeBase64, encodeMacaroon } from '@turnpike/l402'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, type Response, until } from './client.ts'
import {
  type Bought,
  buy,
  challengeOf,
  cleanUp,
  configOf,
  folderWith,
  type Program,
  serve,
  start,
} from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

const USAGE = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 }
const EVENTS = [
  `data: ${JSON.stringify({ choices: [{ delta: { content: 'why' } }], usage: null })}\n\n`,
  `data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\n`,
  'data: [DONE]\n\n',
]

/** An upstream whose answers are as their paths say, and a gateway that sells them by measure. */
async function shop(charge: string, more: Parameters<typeof configOf>[0] = {}) {
  // How to end an answer, by its path, as soon as it has begun.
  const ends = new Map<string, PromiseWithResolvers<() => void>>()
  const endOf = (path: string): PromiseWithResolvers<() => void> => {
    const end = ends.get(path) ?? Promise.withResolvers()
    ends.set(path, end)
    return end
  }
  const upstream = await startUpstream((req, res) => {
    req.resume().on('end', () => {
      const { url = '' } = req
      if (url.endsWith('/header')) res.setHeader('X-Cost', '7.5')
      if (url.endsWith('/fail')) res.statusCode = 503
      if (url.endsWith('/usage')) {
        res.setHeader('Content-Type', 'text/event-stream')
        for (const event of EVENTS) res.write(event)
        res.end()
      } else if (url.endsWith('/coded')) {
        res.setHeader('Content-Type', 'application/json').setHeader('Content-Encoding', 'gzip')
        res.end(gzipSync(JSON.stringify({ usage: USAGE })))
      } else if (url.endsWith('/stream')) {
        res.write('x'.repeat(1_000))
        endOf(url).resolve(() => void res.end('y'.repeat(1_000)))
      } else if (url.endsWith('/broken')) {
        res.write('x'.repeat(1_000))
        endOf(url).resolve(() => void res.destroy())
      } else if (url.endsWith('/endless')) {
        const timer = setInterval(() => res.write('x'.repeat(1_000)), 5)
        res.once('close', () => clearInterval(timer))
      } else res.end('0123456789')
    })
  })
  const routes = [`{ match: "/m/*", price: 100 sat, grants: { credit: 100 sat }, charge: ${charge} }`]
  const gateway = await start({ upstream: upstream.origin, routes, ...more })
  return { upstream, gateway, finish: async (path: string) => (await endOf(path).promise)() }
}

const use = (
  { url }: Pick<Program, 'url'>,
  path: string,
  { authorization }: Pick<Bought, 'authorization'>,
  body?: string,
): Promise<Response> =>
  ask(url, body === undefined ? 'GET' : 'POST', path, {
    headers: { Authorization: authorization },
    ...(body === undefined ? {} : { body }),
  })

interface Credit {
  readonly creditedMsat: number
  readonly leftMsat: number
  readonly lostMsat: number
}

async function balance(
  { url }: Pick<Program, 'url'>,
  { authorization }: Pick<Bought, 'authorization'>,
): Promise<Credit> {
  const answer = await ask(url, 'GET', '/.well-known/l402/balance', {
    headers: { Authorization: authorization },
  })
  expect([answer.status, answer.header('cache-control')]).toEqual([200, 'no-store'])
  return JSON.parse(answer.body).services[0].credit
}

const spent = async (gateway: Program, bought: Bought): Promise<number> => {
  const { creditedMsat, leftMsat } = await balance(gateway, bought)
  return creditedMsat - leftMsat
}

describe('a metered route', () => {
  it.each([
    ['{ fixed: 5 msat }', '/m/x', 5],
    ['{ fixed: 5 msat, responseBytes: 3 msat/2, estimate: 1 sat }', '/m/x', 20],
    ['{ header: { name: X-Cost, rate: 10 msat }, estimate: 1 sat }', '/m/header', 75],
    ['{ header: { name: X-Cost, rate: 10 msat }, estimate: 1 sat }', '/m/x', 1_000],
    ['{ usage: { shape: openai, input: 1 msat, output: 100 msat }, estimate: 1 sat }', '/m/usage', 2_010],
    ['{ json: { field: usage.total_tokens, rate: 2 msat }, estimate: 1 sat }', '/m/coded', 60],
  ])('charged by %s takes what the answer to %s costs: %i msat', async (charge, path, cost) => {
    const { gateway, upstream } = await shop(charge)
    const bought = await buy(gateway, path)
    const answer = await use(gateway, path, bought)
    expect(answer.status).toBe(200)
    expect(answer.header('ratelimit')).toMatch(/^"credit";r=[0-9]+$/)
    expect(await spent(gateway, bought)).toBe(cost)
    expect(upstream.seen.at(-1)?.headers['accept-encoding']).toBe(
      charge.includes('json') || charge.includes('usage') ? 'identity' : undefined,
    )
  })

  it('counts the request’s body, and nothing for an upstream that fails', async () => {
    const { gateway } = await shop('{ requestBytes: 2 msat, estimate: 1 sat }')
    const bought = await buy(gateway, '/m/x')
    expect((await use(gateway, '/m/x', bought, 'x'.repeat(5_000))).status).toBe(200)
    expect(await spent(gateway, bought)).toBe(10_000)
    expect((await use(gateway, '/m/fail', bought, 'x'.repeat(5_000))).status).toBe(503)
    expect(await spent(gateway, bought)).toBe(10_000)
  })

  it('charges what was measured when the client leaves, and what is certain when the upstream breaks off', async () => {
    const { gateway, finish } = await shop('{ responseBytes: 1 msat, estimate: 5 sat }')
    const bought = await buy(gateway, '/m/x')
    const socket = connect(gateway.port, '127.0.0.1')
    socket.write(`GET /m/stream HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`)
    await once(socket, 'data')
    socket.destroy()
    await until(async () => (await spent(gateway, bought)) === 1_000, 'what was measured is charged')
    const broken = use(gateway, '/m/broken', bought).catch(() => 'broken')
    await until(async () => (await spent(gateway, bought)) === 6_000, 'the estimate is reserved')
    await finish('/m/broken')
    expect(await broken).toBe('broken')
    await until(async () => (await spent(gateway, bought)) === 2_000, 'what is certain is charged')
  })

  it('draws on the credit while a stream goes on; one without an end loses the seller only what is over', async () => {
    const { gateway } = await shop('{ responseBytes: 10 msat, estimate: 1 sat, whenEmpty: cut }')
    const bought = await buy(gateway, '/m/x')
    const socket = connect(gateway.port, '127.0.0.1')
    let cut = false
    socket.resume().once('close', () => {
      cut = true
    })
    socket.write(`GET /m/endless HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`)
    await until(async () => (await spent(gateway, bought)) > 1_000, 'the credit is drawn on')
    await until(() => cut, 'the stream is cut off')
    await until(async () => (await balance(gateway, bought)).lostMsat > 0, 'the rest is recorded as lost')
    expect(await balance(gateway, bought)).toMatchObject({ creditedMsat: 100_000, leftMsat: 0 })
    expect((await use(gateway, '/m/x', bought)).status).toBe(402)
  })

  it('finishes an answer that empties the credit, and tops the same account up (rules 5 and 8)', async () => {
    const { gateway, finish } = await shop('{ responseBytes: 60 msat, estimate: 1 sat }')
    const bought = await buy(gateway, '/m/x')
    const streamed = use(gateway, '/m/stream', bought)
    await finish('/m/stream')
    expect((await streamed).body).toHaveLength(2_000)
    expect(await balance(gateway, bought)).toEqual({ creditedMsat: 100_000, leftMsat: 0, lostMsat: 20_000 })
    const refused = await use(gateway, '/m/x', bought)
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([402, 'exhausted'])
    expect(challengeOf(refused).tokenId).toBe(bought.tokenId)
    const more = await buy(gateway, '/m/x', { Authorization: bought.authorization })
    expect((await use(gateway, '/m/x', more)).status).toBe(200)
    expect((await use(gateway, '/m/x', bought)).status).toBe(200)
    expect(await balance(gateway, bought)).toEqual({
      creditedMsat: 200_000,
      leftMsat: 98_800,
      lostMsat: 20_000,
    })
  })

  it('bounds a sub-agent by its own budget, whatever the account holds', async () => {
    const { gateway } = await shop('{ fixed: 1 sat }')
    const parent = await buy(gateway, '/m/x')
    const macaroon = decodeMacaroon(Buffer.from(parent.macaroon, 'base64'))
    const narrow = encodeBase64(encodeMacaroon(attenuateMacaroon(macaroon, ['demo_max_spend_msat=2500'])))
    const child = { authorization: `L402 ${narrow}:${parent.preimage}` }
    const statuses = await Promise.all(
      Array.from({ length: 6 }, async () => (await use(gateway, '/m/x', child)).status),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(2)
    expect((await use(gateway, '/m/x', parent)).status).toBe(200)
    expect(await spent(gateway, parent)).toBe(3_000)
  })
})

describe('Idempotency-Key (rule 10)', () => {
  const post = (
    { url }: Pick<Program, 'url'>,
    { authorization }: Pick<Bought, 'authorization'>,
    key: string,
    body = 'a',
    path = '/b/make',
  ) => ask(url, 'POST', path, { headers: { Authorization: authorization, 'Idempotency-Key': key }, body })

  async function bundle(more: Parameters<typeof configOf>[0] = {}) {
    let made = 0
    let hold: Promise<void> | undefined
    const upstream = await startUpstream((req, res) => {
      req.resume().on('end', async () => {
        await hold
        made++
        if (req.url === '/b/fail') res.statusCode = 500
        res.setHeader('X-Made', String(made)).setHeader('Connection', 'close')
        res.end(req.url === '/b/large' ? 'x'.repeat(2_000) : `made ${made}`)
      })
    })
    const routes = ['{ match: "/b/*", price: 1 sat, grants: { calls: 4 } }']
    const config = configOf({ upstream: upstream.origin, routes, ...more })
    const gateway = await serve(folderWith(config))
    return { gateway, upstream, made: () => made, hold: (until_: Promise<void>) => (hold = until_) }
  }

  it('replays the answer to a request that comes again, also after a restart, and charges it once', async () => {
    const { gateway, made } = await bundle()
    const bought = await buy(gateway, '/b/make', {}, 'POST')
    const first = await post(gateway, bought, 'k')
    expect([first.status, first.body, first.header('ratelimit')]).toEqual([200, 'made 1', '"calls";r=3'])
    const again = await post(gateway, bought, 'k')
    expect([again.status, again.body, again.header('x-made')]).toEqual([200, 'made 1', '1'])
    expect([again.header('idempotency-replayed'), again.all('content-length')]).toEqual(['true', ['6']])
    expect((await gateway.stop()).code).toBe(0)
    const next = await serve(gateway.folder)
    expect((await post(next, bought, 'k')).body).toBe('made 1')
    expect(made()).toBe(1)
    expect((await post(next, bought, 'other')).header('ratelimit')).toBe('"calls";r=2')
  })

  it('answers 409 to another body, and while the first runs with Retry-After', async () => {
    const { gateway, made, hold } = await bundle()
    const bought = await buy(gateway, '/b/make', {}, 'POST')
    let go = (): void => {}
    hold(
      new Promise((resolve) => {
        go = resolve
      }),
    )
    const first = post(gateway, bought, 'k')
    let running: Response | undefined
    await until(async () => {
      running = await post(gateway, bought, 'k')
      return running.status === 409
    }, 'the first is running')
    expect([JSON.parse(running?.body ?? '').code, running?.header('retry-after')]).toEqual([
      'idempotency_running',
      '1',
    ])
    expect(JSON.parse((await post(gateway, bought, 'k', 'b')).body).code).toBe('idempotency_conflict')
    go()
    expect((await first).status).toBe(200)
    expect((await post(gateway, bought, 'k', 'b')).status).toBe(409)
    expect((await post(gateway, bought, 'k')).body).toBe('made 1')
    expect(made()).toBe(1)
  })

  it('is executed again where the upstream failed, and by another credential', async () => {
    const { gateway, made } = await bundle()
    const [one, two] = [await buy(gateway, '/b/make', {}, 'POST'), await buy(gateway, '/b/make', {}, 'POST')]
    expect((await post(gateway, one, 'k', 'a', '/b/fail')).status).toBe(500)
    expect((await post(gateway, one, 'k', 'a', '/b/fail')).status).toBe(500)
    expect((await post(gateway, one, 'm')).status).toBe(200)
    expect((await post(gateway, two, 'm')).body).toBe('made 4')
    expect(made()).toBe(4)
  })

  it('is bounded in what it keeps and what it compares', async () => {
    const { gateway, made } = await bundle({ top: 'idempotency: { keep: 1h, maxAnswer: 1 KiB }' })
    const bought = await buy(gateway, '/b/make', {}, 'POST')
    expect((await post(gateway, bought, 'k', 'a', '/b/large')).body).toHaveLength(2_000)
    const again = await post(gateway, bought, 'k', 'a', '/b/large')
    expect([again.status, JSON.parse(again.body).code]).toEqual([409, 'idempotency_unkept'])
    const large = await post(gateway, bought, 'l', 'x'.repeat(1_048_577))
    expect([large.status, JSON.parse(large.body).code]).toEqual([413, 'body_too_large'])
    const bad = await post(gateway, bought, 'not a key')
    expect([bad.status, JSON.parse(bad.body).code]).toEqual([400, 'idempotency_invalid'])
    expect(made()).toBe(1)
  })
})

describe('conditions', () => {
  it('of a service and a route are minted and enforced; a rate answers 429 and the credential stays good', async () => {
    const gateway = await start({
      upstream: (await startUpstream()).origin,
      service: 'conditions: { rate: 2/1h, ip: client }',
      routes: ['{ match: "/pass/*", price: 10 sat, grants: { valid: 1h }, conditions: { methods: [GET] } }'],
    })
    const bought = await buy(gateway, '/pass/x')
    const caveats = decodeMacaroon(Buffer.from(bought.macaroon, 'base64')).caveats.map(({ id }) =>
      Buffer.from(id).toString(),
    )
    expect(caveats).toEqual(
      expect.arrayContaining(['demo_rate=2/3600', 'demo_ip=127.0.0.1', 'demo_methods=GET']),
    )
    expect((await use(gateway, '/pass/x', bought, 'body')).status).toBe(402)
    expect((await use(gateway, '/pass/x', bought)).status).toBe(200)
    expect((await use(gateway, '/pass/x', bought)).status).toBe(200)
    const over = await use(gateway, '/pass/x', bought)
    expect([over.status, JSON.parse(over.body).code]).toEqual([429, 'over_rate'])
    expect(Number(over.header('retry-after'))).toBeGreaterThan(3_500)
    expect(over.header('www-authenticate')).toBe('')
  })

  it('on the client’s address hold behind a trusted proxy, and nobody else is believed', async () => {
    const routes = ['{ match: "/pass/*", price: 10 sat, grants: { valid: 1h }, conditions: { ip: client } }']
    const upstream = (await startUpstream()).origin
    const gateway = await start({ upstream, routes, top: 'trustedProxies: [127.0.0.1/32]' })
    const from = (address: string) => ({ 'X-Forwarded-For': `198.51.100.9, ${address}` })
    const bought = await buy(gateway, '/pass/x', from('203.0.113.7'))
    const status = async (address: string): Promise<number> => {
      const headers = { ...from(address), Authorization: bought.authorization }
      return (await ask(gateway.url, 'GET', '/pass/x', { headers })).status
    }
    expect([await status('203.0.113.7'), await status('203.0.113.8')]).toEqual([200, 402])
    const direct = await start({ upstream, routes })
    const plain = await buy(direct, '/pass/x', from('203.0.113.7'))
    const headers = { ...from('198.51.100.1'), Authorization: plain.authorization }
    expect((await ask(direct.url, 'GET', '/pass/x', { headers })).status).toBe(200)
  })
})

describe('the balance', () => {
  it('is for whoever holds the credential: 401 without, 405 for other methods, readable by pages', async () => {
    const gateway = await start()
    const path = '/.well-known/l402/balance'
    const bare = await ask(gateway.url, 'GET', path)
    expect([bare.status, bare.header('www-authenticate')]).toEqual([401, 'L402 realm="balance"'])
    expect((await ask(gateway.url, 'POST', path)).status).toBe(405)
    const { authorization, tokenId } = await buy(gateway, '/paid/x')
    const headers = { Authorization: authorization, Origin: 'https://app.example' }
    const answer = await ask(gateway.url, 'GET', path, { headers })
    expect(answer.header('access-control-allow-origin')).toBe('*')
    expect(JSON.parse(answer.body)).toEqual({
      tokenId,
      paymentHash: expect.any(String),
      services: [
        {
          service: 'demo',
          usable: true,
          expiresAt: null,
          budgets: [{ condition: 'demo_max_calls', limit: 3, left: 3 }],
          credit: null,
        },
      ],
    })
    expect((await ask(gateway.url, 'HEAD', path, { headers })).body).toBe('')
    const preflight = await ask(gateway.url, 'OPTIONS', path, {
      headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'GET' },
    })
    expect([preflight.status, preflight.header('access-control-allow-methods')]).toEqual([
      204,
      'GET, HEAD, OPTIONS',
    ])
    for (let n = 0; n < 3; n++) await ask(gateway.url, 'GET', '/paid/x', { headers })
    expect(JSON.parse((await ask(gateway.url, 'GET', path, { headers })).body).services[0]).toMatchObject({
      usable: false,
      reason: 'exhausted',
      budgets: [{ left: 0 }],
    })
  })
})
