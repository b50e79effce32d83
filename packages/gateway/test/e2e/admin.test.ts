import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, sendRaw } from './client.ts'
import { buy, challengeOf, cleanUp, type Program, start } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Program
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await start({
    upstream: upstream.origin,
    routes: ['{ match: "/*", price: 1 sat, grants: { calls: 3 } }'],
  })
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

const ADMIN_PATHS = [
  '/metrics',
  '/healthz',
  '/readyz',
  '/sandbox/v1/balance',
  '/sandbox/v1/pay',
  '/api/v1/tokens',
]

describe('the admin listener', () => {
  it('alone has health, metrics and the wallet', async () => {
    for (const path of ADMIN_PATHS) {
      // The only route takes everything, and sells it.
      expect((await ask(gateway.url, 'GET', path)).status).toBe(402)
      expect((await ask(gateway.url, 'POST', path, { body: '{}' })).status).toBe(402)
    }
    expect(upstream.bytes()).toBe('')
    expect((await ask(gateway.admin, 'GET', '/healthz')).body).toBe('{"status":"ok"}\n')
    expect(JSON.parse((await ask(gateway.admin, 'GET', '/readyz')).body)).toEqual({
      status: 'ready',
      checks: { store: 'ok', lightning: 'ok' },
    })
    const metrics = await ask(gateway.admin, 'GET', '/metrics')
    expect(metrics.header('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(metrics.body).toMatch(/^turnpike_challenges_total\{service="demo"\} 12$/m)
  })

  it('answers nothing else, and no other method', async () => {
    for (const path of [
      '/',
      '/apis/v1',
      '/metrics/',
      '/../metrics',
      '/sandbox/v2/pay',
      '//healthz',
      '/%6detrics',
    ])
      expect((await ask(gateway.admin, 'GET', path)).status).toBe(404)
    // Closed where no token is configured.
    expect((await ask(gateway.admin, 'GET', '/api/v1/tokens')).status).toBe(403)
    for (const path of ['/metrics', '/healthz', '/readyz'])
      expect((await ask(gateway.admin, 'DELETE', path)).status).toBe(405)
    const { port } = new URL(gateway.admin)
    for (const bytes of [
      '\0\0\0',
      'GET / HTTP/9\r\n\r\n',
      `GET /${'a'.repeat(50_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    ])
      for (const status of (await sendRaw(Number(port), bytes)).statuses) expect(status).toBeLessThan(500)
  })

  it('does not let a web page pay: not from another origin, nor under another name', async () => {
    const { invoice } = challengeOf(await ask(gateway.url, 'GET', '/x'))
    const body = JSON.stringify({ invoice })
    const json = { 'Content-Type': 'application/json' }
    const { host } = new URL(gateway.admin)
    const attempts: Record<string, string>[] = [
      { ...json, Origin: 'https://evil.example' },
      { ...json, Origin: 'null' },
      { ...json, Origin: gateway.admin },
      { 'Content-Type': 'text/plain', Origin: 'https://evil.example' },
      { ...json, Host: 'evil.example' },
      { ...json, Host: `evil.example:${new URL(gateway.admin).port}` },
      { ...json, Host: '127.0.0.1.evil.example' },
      { ...json, Host: 'localhost.evil.example' },
      { ...json, Host: '10.0.0.1' },
    ]
    for (const headers of attempts) {
      const refused = await ask(gateway.admin, 'POST', '/sandbox/v1/pay', {
        headers: { Host: host, ...headers },
        body,
      })
      expect([refused.status, refused.header('access-control-allow-origin')]).toEqual([403, ''])
    }
    const preflight = await ask(gateway.admin, 'OPTIONS', '/sandbox/v1/pay', {
      headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
    })
    expect([preflight.status, preflight.header('access-control-allow-origin')]).toEqual([403, ''])
    const balance = JSON.parse((await ask(gateway.admin, 'GET', '/sandbox/v1/balance')).body)
    expect(balance.sellerBalanceMsat).toBe('0')
    expect((await ask(gateway.admin, 'POST', '/sandbox/v1/pay', { headers: json, body })).status).toBe(200)
  })

  it('is told only what it can read', async () => {
    const json = { 'Content-Type': 'application/json' }
    for (const [body, status] of [
      ['', 400],
      ['{', 400],
      ['[]', 400],
      ['null', 400],
      ['{"invoice":1}', 400],
      ['{"invoice":"lnbcrt1"}', 422],
      ['x'.repeat(70_000), 413],
    ] as const) {
      const answer = await ask(gateway.admin, 'POST', '/sandbox/v1/pay', { headers: json, body })
      expect([body.slice(0, 30), answer.status]).toEqual([body.slice(0, 30), status])
    }
    expect((await ask(gateway.admin, 'GET', '/sandbox/v1/payments/zz')).status).toBe(400)
    expect((await ask(gateway.admin, 'GET', `/sandbox/v1/payments/${'0'.repeat(64)}`)).status).toBe(404)
    expect((await ask(gateway.admin, 'GET', '/sandbox/v1/pay')).status).toBe(405)
  })
})

describe('what is written down', () => {
  it('names reasons and prefixes, and holds no secret, query or forged line', async () => {
    const { authorization, macaroon, preimage, tokenId } = await buy(gateway, '/x')
    const marker = 'q7LeakMarker'
    const asks: [string, Record<string, string>][] = [
      [`/x?token=${marker}`, { Authorization: authorization }],
      ['/x', { Authorization: `L402 ${macaroon}:${'0'.repeat(64)}` }],
      ['/x', { Authorization: `L402 ${marker}${macaroon}:${preimage}` }],
      ['/x', { Authorization: `Bearer ${marker}`, Cookie: `s=${marker}`, 'X-Api-Key': marker }],
      [`/${'y'.repeat(2_000)}`, { 'User-Agent': marker }],
      ['/x', { Macaroon: `${marker}${preimage}` }],
    ]
    for (const [path, headers] of asks) await ask(gateway.url, 'GET', path, { headers })
    await sendRaw(gateway.port, `GET /x HTTP/1.1\r\nHost: a\r\n${marker}\r\n\r\n`)
    await sendRaw(
      gateway.port,
      `GET /%0a%7b"level":"error"%7d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    const { out, err } = await gateway.stop()
    expect(out).toBe('')
    for (const secret of [marker, macaroon.slice(0, 40), preimage, tokenId, 'lnbcrt'])
      expect(err).not.toContain(secret)
    // One JSON object per line, whatever was asked for.
    for (const line of err.trimEnd().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
    expect(err).toContain('"reason":"bad_preimage"')
  })
})
