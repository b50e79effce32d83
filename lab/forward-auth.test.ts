/** Forward-auth behind real proxies: they carry the requests, the gateway decides, and the two must not disagree. */

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, sendRaw } from '../packages/gateway/test/e2e/client.ts'
import {
  buy,
  challengeOf,
  cleanUp,
  folderWith,
  type Program,
  serve,
} from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { example, type Front, type FrontKind, isThere, startFront } from './lib/front.ts'

let backend: Upstream
let gateway: Program
let authUrl: string
let ports: Record<number, number>

function answerOf(req: IncomingMessage, res: ServerResponse): void {
  if (req.url?.includes('broken') === true) res.statusCode = 503
  res.end('{"ok":true}')
}

beforeAll(async () => {
  backend = await startUpstream(answerOf)
  const config = example('turnpike.yaml', { 8402: 0, 8403: 0, 8404: 0, 8405: 0, 9000: backend.port })
  gateway = await serve(folderWith(config))
  const ready: { forwardAuth: string } = JSON.parse(readFileSync(gateway.readyFile, 'utf8'))
  authUrl = ready.forwardAuth
  ports = { 8402: gateway.port, 8404: Number(new URL(authUrl).port), 9000: backend.port }
})
beforeEach(() => backend.forget())
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

const left = async (authorization: string): Promise<unknown> => {
  const answer = await ask(gateway.url, 'GET', '/.well-known/l402/balance', {
    headers: { Authorization: authorization },
  })
  const { services } = JSON.parse(answer.body)
  return services[0].budgets[0]?.left
}

const KINDS: readonly FrontKind[] = ['nginx', 'caddy']

describe.each(KINDS.filter((kind) => !isThere(kind)))('behind %s', (kind) => {
  it.skip(`SKIPPED: ${kind} is not installed`, () => {})
})

describe.each(KINDS.filter(isThere))('behind %s', (kind) => {
  let front: Front
  beforeAll(async () => {
    front = await startFront(kind, ports)
  })
  afterAll(() => front.stop())

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    ask(front.url, method, path, { headers })

  it('an unpaid request gets 402 with one challenge and the whole problem, and the backend hears nothing', async () => {
    const refused = await get('/forecast/paris')
    expect(refused.status).toBe(402)
    challengeOf(refused)
    expect(refused.header('content-type')).toBe('application/problem+json')
    expect(refused.header('cache-control')).toBe('no-store')
    expect(JSON.parse(refused.body)).toMatchObject({ status: 402, code: 'missing', priceSats: 10 })
    expect(refused.header('x-l402-answer')).toBe('')
    expect(backend.seen).toEqual([])
  })

  it('HEAD is refused and sold like GET', async () => {
    const refused = await get('/forecast/paris', {}, 'HEAD')
    expect(refused.status).toBe(402)
    expect(refused.body).toBe('')
    challengeOf(refused)
    const { authorization } = await buy({ url: front.url, admin: gateway.admin }, '/forecast/paris')
    expect((await get('/forecast/paris', { Authorization: authorization }, 'HEAD')).status).toBe(200)
    expect(backend.seen.map(({ method }) => method)).toEqual(['HEAD'])
  })

  it('what was paid for is served as often as it holds, and the backend learns who paid but not with what', async () => {
    const bought = await buy({ url: front.url, admin: gateway.admin }, '/map/x')
    const headers = { Authorization: bought.authorization, 'X-L402-Token-Id': 'forged' }
    expect((await get('/map/x?zoom=3', headers)).status).toBe(200)
    expect((await get('/map/y', headers)).status).toBe(200)
    const third = await get('/map/x', headers)
    expect(third.status).toBe(402)
    expect(JSON.parse(third.body).code).toBe('exhausted')
    expect(backend.seen.map(({ url }) => url)).toEqual(['/map/x?zoom=3', '/map/y'])
    for (const { headers: heard } of backend.seen) {
      expect(heard['authorization']).toBeUndefined()
      expect(heard['x-l402-token-id']).toBe(bought.tokenId)
      expect(heard['x-l402-payment-hash']).toBe(bought.paymentHash)
      expect(heard['x-l402-service']).toBe('weather')
    }
    expect(await left(bought.authorization)).toBe(0)
  })

  it('a time pass opens as often as asked', async () => {
    const { authorization } = await buy({ url: front.url, admin: gateway.admin }, '/forecast/paris')
    for (let i = 0; i < 3; i++)
      expect((await get(`/forecast/${i}`, { Authorization: authorization })).status).toBe(200)
  })

  it('a POST passes with its body', async () => {
    const url = front.url
    const { authorization } = await buy({ url, admin: gateway.admin }, '/query', {}, 'POST')
    const answer = await ask(url, 'POST', '/query', {
      headers: { Authorization: authorization },
      body: 'question',
    })
    expect(answer.status).toBe(200)
    expect(backend.seen.map(({ method, body }) => [method, body])).toEqual([['POST', 'question']])
  })

  it('a free route passes without anybody’s name', async () => {
    expect((await get('/free/x', { 'X-L402-Token-Id': 'forged' })).status).toBe(200)
    expect(backend.seen[0]?.headers['x-l402-token-id'] ?? '').toBe('')
  })

  it('what no route names is 404', async () => {
    const answer = await get('/nothing')
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body).code).toBe('no_route')
    expect(backend.seen).toEqual([])
  })

  it('preflights and balances are answered by the gateway', async () => {
    const preflight = await get(
      '/forecast/x',
      {
        Origin: 'https://page.example',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'authorization',
      },
      'OPTIONS',
    )
    expect(preflight.status).toBe(204)
    expect(preflight.header('access-control-allow-headers').toLowerCase()).toContain('authorization')
    const { authorization } = await buy({ url: front.url, admin: gateway.admin }, '/map/x')
    const balance = await get('/.well-known/l402/balance', { Authorization: authorization })
    expect(balance.status).toBe(200)
    expect(JSON.parse(balance.body).services[0].service).toBe('weather')
    expect(backend.seen).toEqual([])
  })

  it('no client can speak for the proxy', async () => {
    for (const headers of [
      { 'X-Forwarded-Uri': '/free/x' },
      { 'X-Forwarded-Method': 'OPTIONS' },
      { 'X-Original-URI': '/free/x', 'X-Original-Method': 'GET' },
      { X_Forwarded_Uri: '/free/x' },
      { 'X-HTTP-Method-Override': 'POST' },
      { 'X-Original-URL': '/map/x' },
      { 'X-L402-Answer': 'none' },
    ])
      expect([400, 402]).toContain((await get('/map/x', headers)).status)
    expect((await get('/free/x', { 'X-Rewrite-URL': '/map/x' })).status).toBe(400)
    expect(backend.seen).toEqual([])
  })

  const HOSTILE = [
    '/map/%2e%2e/free/x',
    '/map/../free/x',
    '/map/..%2ffree/x',
    '/map%2fx',
    '//map/x',
    '/map//x',
    '/free/../map/x',
    '/free/%2e%2e/map/x',
    '/free/..%2fmap/x',
    '/free/..;/map/x',
    '/free/.%2e/map/x',
    '/free/%252e%252e/map/x',
    '/free/..%5cmap/x',
    '/free/%c0%ae%c0%ae/map/x',
    '/free/x%00',
    '/%66ree/x',
    '/free/./x',
    '/free//x',
    '/map/x#/free/x',
    '/free/x#/../../map/x',
    'http://127.0.0.1/map/x',
    'http://other.example/map/x',
    '/MAP/x',
    '/map/x/../../free/y',
  ]
  it.each(HOSTILE)('%s: nothing arrives that was not asked about in the same spelling', async (target) => {
    const { statuses } = await sendRaw(
      front.port,
      `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
    )
    expect([400, 402, 404]).toContain(statuses[0])
    expect(backend.seen).toEqual([])
  })

  it('hexadecimal digits may have any case', async () => {
    expect((await get('/free/%c3%a9')).status).toBe(200)
    expect((await get('/free/%C3%A9')).status).toBe(200)
  })

  it('TRACE is not carried', async () => {
    expect([400, 405]).toContain((await get('/free/x', {}, 'TRACE')).status)
    expect(backend.seen).toEqual([])
  })
})

describe.runIf(isThere('nginx'))('where nginx tells how it ended', () => {
  let front: Front
  beforeAll(async () => {
    front = await startFront('nginx', ports)
  })
  afterAll(() => front.stop())

  it('an upstream that fails costs nothing, and one that serves costs one use', async () => {
    const url = front.url
    const { authorization } = await buy({ url, admin: gateway.admin }, '/query', {}, 'POST')
    const headers = { Authorization: authorization }
    expect((await ask(url, 'POST', '/query?broken', { headers })).status).toBe(503)
    await expect.poll(() => left(authorization)).toBe(3)
    expect((await ask(url, 'POST', '/query', { headers })).status).toBe(200)
    await expect.poll(() => left(authorization)).toBe(2)
    const { body } = await ask(gateway.admin, 'GET', '/metrics')
    expect(body).toMatch(/turnpike_ledger_seconds_count\{operation="release"\} [1-9]/)
  })
})

describe.runIf(isThere('nginx'))('a gateway that is gone', () => {
  it('lets nothing pass', async () => {
    const dead = await startUpstream()
    await dead.close()
    const front = await startFront('nginx', { ...ports, 8404: dead.port })
    expect((await ask(front.url, 'GET', '/free/x')).status).toBe(500)
    expect(backend.seen).toEqual([])
    await front.stop()
  })
})
