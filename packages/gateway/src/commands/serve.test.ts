import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { decodeInvoice, encodeHex, findL402Challenges } from '@turnpike/l402'
import { afterEach, describe, expect, it } from 'vitest'
import { type TestIo, temporaryFolder, testIo, turnpike } from '../../test/test-io.ts'
import { run } from '../main.ts'

const config = (more = '', routes = '', upstream = 'sample'): string => `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: memory
lightning: sandbox
challenges: { limit: off }
${more}
services:
  weather:
    upstream: ${upstream}
    routes:
      - { match: /health, free: true }
      - { match: "GET /forecast/*", price: 10 sat, grants: { valid: 1h } }
      - { match: POST /query, price: 25 sat, grants: { calls: 3 }, memo: Three questions }
${routes}`

interface Running {
  readonly io: TestIo
  readonly folder: string
  readonly url: string
  readonly admin: string
  stop(): Promise<number>
}

const running = new Set<Running>()
afterEach(async () => {
  await Promise.all([...running].map((one) => one.stop()))
})

async function serve(text: string, env: Record<string, string> = {}): Promise<Running> {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'turnpike.yaml'), text)
  const io = testIo(folder, env)
  const done = run(['serve', '--sandbox', '--ready-file', 'run/ready.json'], io)
  const started = await Promise.race([io.seen('"serving"'), done])
  if (started !== undefined) throw new Error(`ended with ${started}: ${io.err()}`)
  const { listen, admin } = JSON.parse(readFileSync(join(folder, 'run/ready.json'), 'utf8'))
  const one: Running = {
    io,
    folder,
    url: listen[0],
    admin,
    async stop() {
      running.delete(one)
      io.signal('SIGTERM')
      return done
    },
  }
  running.add(one)
  return one
}

/** Buys `path`, and answers the credential. */
async function buy({ url, admin }: Running, path: string, init: RequestInit = {}): Promise<string> {
  const refused = await fetch(url + path, init)
  expect(refused.status).toBe(402)
  const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
  const paid = await fetch(`${admin}/sandbox/v1/pay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ invoice: challenge?.invoice }),
  })
  const { preimage } = (await paid.json()) as { preimage: string }
  return `L402 ${challenge?.macaroon}:${preimage}`
}

describe('turnpike serve', () => {
  it('sells: free path, 402, payment on the sandbox, 200, and the bundle ends', async () => {
    const gateway = await serve(config())
    expect(await (await fetch(`${gateway.url}/health`)).json()).toEqual({ status: 'ok' })
    expect((await fetch(`${gateway.url}/elsewhere`)).status).toBe(404)

    const authorization = await buy(gateway, '/forecast/lisbon')
    const answer = await fetch(`${gateway.url}/forecast/lisbon`, { headers: { authorization } })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ city: 'lisbon' })

    const post = { method: 'POST', body: 'why?' }
    const bundle = await buy(gateway, '/query', post)
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) {
      statuses.push(
        (await fetch(`${gateway.url}/query`, { ...post, headers: { authorization: bundle } })).status,
      )
    }
    expect(statuses).toEqual([200, 200, 200, 402])

    const metrics = await (await fetch(`${gateway.admin}/metrics`)).text()
    const route = 'service="weather",route="POST /query"'
    expect(metrics).toContain(`turnpike_redemptions_total{${route}} 3`)
    expect(metrics).toContain(`turnpike_requests_total{${route},outcome="paid",code="2xx"} 3`)
    expect(metrics).toContain(`turnpike_requests_total{${route},outcome="refused",code="4xx"} 2`)
    expect(metrics).toContain('turnpike_refusals_total{service="weather",reason="exhausted"} 1')
    expect(metrics).toContain('turnpike_challenges_total{service="weather"} 3')
    expect(metrics).toContain('turnpike_requests_total{service="",route="",outcome="answered",code="4xx"} 1')
    expect(metrics).toMatch(/turnpike_ledger_seconds_count\{operation="reserve"\} 5/)
    expect(metrics).toContain('process_cpu_seconds_total')

    const [, macaroon = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(bundle) ?? []
    expect(gateway.io.err()).not.toContain(macaroon.slice(0, 60))
    expect(gateway.io.err()).not.toContain(preimage)
    expect(gateway.io.err()).toContain('"reason":"exhausted"')
    expect(gateway.io.out()).toBe('')
  })

  it("puts the route's memo into the invoice", async () => {
    const gateway = await serve(config())
    const refused = await fetch(`${gateway.url}/query`, { method: 'POST' })
    const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
    expect(decodeInvoice(challenge?.invoice ?? '').description).toBe('Three questions')
  })

  it('fills in what a memo says of the request', async () => {
    const gateway = await serve(
      config().replace('memo: Three questions', 'memo: "{method} {path} at {host}"'),
    )
    const refused = await fetch(`${gateway.url}/query`, { method: 'POST' })
    const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
    const { host } = new URL(gateway.url)
    expect(decodeInvoice(challenge?.invoice ?? '').description).toBe(`POST /query at ${host}`)
  })

  it('says when it is ready, and removes the ready file at the end', async () => {
    const gateway = await serve(config())
    expect(await (await fetch(`${gateway.admin}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${gateway.admin}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({ status: 'ready', checks: { store: 'ok', lightning: 'ok' } })
    expect(await gateway.stop()).toBe(0)
    expect(existsSync(join(gateway.folder, 'run/ready.json'))).toBe(false)
    await expect(fetch(gateway.url)).rejects.toThrow()
  })

  it('is not ready while it drains, and lets what runs finish', async () => {
    const asked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const upstream = createServer(async (_, response) => {
      asked.resolve()
      await release.promise
      response.end('done')
    })
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.address() as AddressInfo
    const gateway = await serve(config('', '', `http://127.0.0.1:${port}`))
    const slow = fetch(`${gateway.url}/health`)
    await asked.promise
    const stopped = gateway.stop()
    const ready = await fetch(`${gateway.admin}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ status: 'draining' })
    release.resolve()
    expect(await (await slow).text()).toBe('done')
    expect(await stopped).toBe(0)
    upstream.close()
  })

  it('cuts off at drainTimeout, and a second signal ends it at once', async () => {
    const asked = Promise.withResolvers<void>()
    const upstream = createServer(() => asked.resolve())
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.address() as AddressInfo
    const gateway = await serve(config('drainTimeout: 1s', '', `http://127.0.0.1:${port}`))
    const stuck = fetch(`${gateway.url}/health`).catch(() => 'cut off')
    await asked.promise
    const stopped = gateway.stop()
    await gateway.io.seen('draining')
    gateway.io.signal('SIGINT')
    expect(gateway.io.exits).toEqual([1])
    expect(await stopped).toBe(0)
    expect(await stuck).toBe('cut off')
    expect(gateway.io.err()).toContain('cut off')
    upstream.closeAllConnections()
    upstream.close()
  })

  it('a request whose body is awaited keeps its service over a reload that takes it away', async () => {
    const gateway = await serve(config())
    const authorization = await buy(gateway, '/query', { method: 'POST' })
    const { hostname, port } = new URL(gateway.url)
    const headers = { authorization, 'idempotency-key': 'one', expect: '100-continue' }
    const asked = httpRequest({ hostname, port, path: '/query', method: 'POST', headers })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      asked.once('response', (answer) => resolve(answer.resume().statusCode)).once('error', reject)
    })
    asked.flushHeaders()
    await new Promise((resolve) => asked.once('continue', resolve))
    writeFileSync(join(gateway.folder, 'turnpike.yaml'), config().replace('weather:', 'climate:'))
    gateway.io.signal('SIGHUP')
    await gateway.io.seen('configuration reloaded')
    asked.end('{}')
    expect(await answered).toBe(200)
  })

  it('reloads on HUP; a bad file leaves the old one in force and is explained', async () => {
    const gateway = await serve(config())
    const file = join(gateway.folder, 'turnpike.yaml')
    writeFileSync(file, config('', '      - { match: /new, free: 1 }\n'))
    gateway.io.signal('SIGHUP')
    await gateway.io.seen('configuration not reloaded')
    expect(gateway.io.err()).toMatch(/turnpike\.yaml:14:\d+: .*expected true or false/)
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200)

    const authorization = await buy(gateway, '/forecast/lisbon')
    writeFileSync(file, config('network: regtest', '      - { match: /forecast, free: true }\n'))
    gateway.io.signal('SIGHUP')
    await gateway.io.seen('configuration reloaded')
    expect(gateway.io.err()).toContain('network changed: in force after the next start')
    expect((await fetch(`${gateway.url}/forecast`)).status).toBe(404)
    expect(await (await fetch(`${gateway.url}/forecast`)).json()).toMatchObject({ error: expect.any(String) })
    // What was sold before is still good.
    expect((await fetch(`${gateway.url}/forecast/oslo`, { headers: { authorization } })).status).toBe(200)
  })

  it('makes up a key only with --sandbox and no key named, and says so loudly', async () => {
    const gateway = await serve(config())
    expect(gateway.io.err()).toContain('PLAY MONEY')
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), config())
    expect(await turnpike(folder, ['serve'])).toMatchObject({
      code: 78,
      err: expect.stringContaining('turnpike keys new'),
    })
    writeFileSync(join(folder, 'turnpike.yaml'), config('keys: { file: my.key }'))
    expect(await turnpike(folder, ['serve', '--sandbox'])).toMatchObject({
      code: 78,
      err: expect.stringContaining('my.key: no such key file'),
    })
  })

  it('ends with 69 where the store cannot be opened, and 78 where play money is forbidden', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), config().replace('memory', 'sqlite:no/such/folder/x.db'))
    const store = await turnpike(folder, ['serve', '--sandbox'])
    expect(store.code).toBe(69)
    // Nobody listens on port 1.
    const database = 'postgres://turnpike:hush@127.0.0.1:1/books'
    writeFileSync(join(folder, 'turnpike.yaml'), config().replace('memory', database))
    const unreachable = await turnpike(folder, ['serve', '--sandbox'])
    expect(unreachable.code).toBe(69)
    expect(unreachable.err).toContain(
      'turnpike: the ledger at postgres://turnpike@127.0.0.1:1/books could not be reached: connect ECONNREFUSED',
    )
    expect(unreachable.err + unreachable.out).not.toContain('hush')
    const checked = await turnpike(folder, ['check', '--sandbox'])
    expect(checked.out).toMatch(/store +postgres:\/\/127\.0\.0\.1:1\/books\n/)
    writeFileSync(join(folder, 'turnpike.yaml'), config())
    const production = await turnpike(folder, ['serve', '--sandbox'], { NODE_ENV: 'production' })
    expect(production.code).toBe(78)
    expect(production.err).toContain('play money')
  })

  it('ends with 69 where Redis is not there, and does not tell the password', async () => {
    const folder = temporaryFolder()
    writeFileSync(
      join(folder, 'turnpike.yaml'),
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the file's own variable
      config().replace('memory', '"redis://:${PASSWORD}@127.0.0.1:1/2"'),
    )
    const { code, err } = await turnpike(folder, ['serve', '--sandbox'], { PASSWORD: 'hunter2' })
    expect(code).toBe(69)
    expect(err).toContain('the Redis server redis://127.0.0.1:1/2 cannot be used: connect ECONNREFUSED')
    expect(err).not.toContain('hunter2')
    const check = await turnpike(folder, ['check'], { PASSWORD: 'hunter2' })
    expect(check).toMatchObject({
      code: 0,
      out: expect.stringMatching(/store +redis:\/\/127\.0\.0\.1:1\/2\n/),
    })
    expect(check.out).not.toContain('hunter2')
  })

  it('ends with 1 where a port is taken, and names the address', async () => {
    const gateway = await serve(config())
    const taken = new URL(gateway.url).host
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), config().replace('listen: 127.0.0.1:0', `listen: ${taken}`))
    const { code, err } = await turnpike(folder, ['serve', '--sandbox', '--ready-file', 'ready.json'])
    expect(code).toBe(1)
    expect(err).toContain(`cannot listen on ${taken}: another program already listens there`)
    expect(existsSync(join(folder, 'ready.json'))).toBe(false)
  })

  it('runs what init writes, and the quickstart', async () => {
    const folder = temporaryFolder()
    await turnpike(folder, ['init'])
    const free = (text: string): string => text.replaceAll(/127\.0\.0\.1:840\d/g, '127.0.0.1:0')
    const written = await serve(
      free(readFileSync(join(folder, 'turnpike.yaml'), 'utf8')).replace(/^keys:.*$/m, ''),
    )
    expect((await fetch(`${written.url}/health`)).status).toBe(200)
    const quickstart = new URL('../../../../examples/quickstart/turnpike.yaml', import.meta.url)
    const example = await serve(free(readFileSync(quickstart, 'utf8')))
    expect((await fetch(`${example.url}/forecast/lisbon`)).status).toBe(402)
  })
})

describe('the sandbox wallet', () => {
  it('is for programs on this machine, not for web pages', async () => {
    const { admin } = await serve(config())
    const { host } = new URL(admin)
    const ask = (method: string, path: string, headers: Record<string, string>, body = ''): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = httpRequest(admin + path, { method, headers }, (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode ?? 0))
        })
        request.on('error', reject)
        request.end(body)
      })
    const json = { 'Content-Type': 'application/json' }
    const balance = '/sandbox/v1/balance'
    expect(await ask('GET', balance, { Host: host })).toBe(200)
    expect(await ask('GET', balance, { Host: 'localhost:1' })).toBe(200)
    expect(await ask('GET', balance, { Host: 'evil.example' })).toBe(403)
    expect(await ask('GET', balance, { Host: '127.0.0.1.evil.example' })).toBe(403)
    expect(await ask('GET', balance, { Host: host, Origin: 'http://localhost' })).toBe(403)
    expect(await ask('GET', balance, { Host: host, Origin: 'null' })).toBe(403)
    // curl -d needs no Content-Type; what it sends is then judged by itself
    expect(await ask('POST', '/sandbox/v1/pay', { Host: host, 'Content-Type': 'text/plain' }, '{}')).toBe(400)
    expect(await ask('POST', '/sandbox/v1/pay', { Host: host, ...json }, '{}')).toBe(400)
    expect(await ask('POST', '/sandbox/v1/pay', { Host: host, ...json }, 'x'.repeat(70_000))).toBe(413)
    expect(await ask('GET', `/sandbox/v1/payments/${encodeHex(new Uint8Array(32))}`, { Host: host })).toBe(
      404,
    )
    expect(await ask('GET', '/sandbox/v1/else', { Host: host })).toBe(404)
    expect(await ask('GET', '/api/v1/tokens', { Host: host })).toBe(403)
    expect(await ask('POST', '/metrics', { Host: host })).toBe(405)
    expect(await ask('GET', '/', { Host: host })).toBe(404)
  })

  it('is not on the public listener', async () => {
    const { url } = await serve(config())
    expect((await fetch(`${url}/sandbox/v1/balance`)).status).toBe(404)
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
  })
})
