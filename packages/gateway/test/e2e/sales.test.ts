import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operations } from '../../src/admin/admin-api.ts'
import { ask, type Response } from './client.ts'
import { type Bought, buy, cleanUp, configOf, folderWith, type Program, run, serve } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

const TOKEN = 'w'.repeat(40)
const READ = 'r'.repeat(40)
const TOKENS = `# who may do what\nops write ${TOKEN}\nviewer read ${READ}\n`
const servers: Server[] = []
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
  for (const server of servers) server.close()
})

function folderOf(more = ''): string {
  const routes = [
    '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
    '{ match: "/paid/*", price: 1 sat, grants: { calls: 2 } }',
  ]
  const config = configOf({ upstream: upstream.origin, routes, top: more })
  const folder = folderWith(
    config.replace('listen: 127.0.0.1:0 }', 'listen: 127.0.0.1:0, tokenFile: admin.token }'),
  )
  writeFileSync(join(folder, 'admin.token'), TOKENS, { mode: 0o600 })
  return folder
}

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly answer: Response
}

/** Asks the API, and checks the answer by the schema of its operation. */
async function api(
  gateway: Pick<Program, 'admin'>,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  {
    body,
    headers = {},
    token = TOKEN,
  }: { body?: unknown; headers?: Record<string, string>; token?: string } = {},
): Promise<Answer> {
  const answer = await ask(gateway.admin, method, `/api/v1${path}`, {
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const value: unknown = answer.body === '' ? undefined : JSON.parse(answer.body)
  const parts = path.split('?')[0]?.split('/') ?? []
  const operation = operations.find(
    (each) =>
      each.method === method &&
      each.path.split('/').length === parts.length &&
      each.path.split('/').every((part, index) => part.startsWith('{') || part === parts[index]),
  )
  const schema = operation?.answers[answer.status]
  if (answer.status < 300 && schema !== null && schema !== undefined && schema !== 'stream') {
    expect(schema.safeParse(value).error?.issues).toBeUndefined()
    answered.add(operation?.id ?? '')
  } else if (answer.status < 300) answered.add(operation?.id ?? '')
  else
    expect(value).toMatchObject({
      status: answer.status,
      code: expect.any(String),
      detail: expect.any(String),
    })
  return { status: answer.status, body: value, answer }
}

const answered = new Set<string>()
const use = (gateway: Program, path: string, { authorization }: Bought): Promise<Response> =>
  ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })

describe('what was sold', () => {
  it('is listed, shown, given back and revoked', async () => {
    const folder = folderOf()
    const gateway = await serve(folder)
    const bundle = await buy(gateway, '/paid/x')
    const pass = await buy(gateway, '/pass/x')
    // Nothing is written down before a credential comes (rule S10 allows no more than after payment).
    expect((await api(gateway, 'GET', '/payments')).body).toEqual({ items: [], next: null })
    expect((await use(gateway, '/pass/x', pass)).status).toBe(200)
    for (const status of [200, 200, 402]) expect((await use(gateway, '/paid/x', bundle)).status).toBe(status)
    await expect
      .poll(async () => (await api(gateway, 'GET', '/payments?state=exhausted')).body, { timeout: 25_000 })
      .toMatchObject({ items: [{ paymentHash: bundle.paymentHash, amountMsat: 1000, amountExact: true }] })
    expect((await api(gateway, 'GET', '/tokens', { token: READ })).body).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ tokenId: pass.tokenId, amountMsat: 10_000 })]),
    })
    expect((await api(gateway, 'GET', `/tokens/${bundle.tokenId}`)).body).toMatchObject({
      items: [{ calls: { bought: 2, refunded: 0, used: 2, left: 0 } }],
    })

    const asked = {
      body: { paymentHash: bundle.paymentHash, calls: 1, reason: 'late' },
      headers: { 'Idempotency-Key': 'a' },
    }
    const refunds = await Promise.all([1, 2, 3].map(() => api(gateway, 'POST', '/refunds', asked)))
    expect(refunds.map(({ status }) => status).sort()).toEqual([200, 200, 201])
    for (const status of [200, 402]) expect((await use(gateway, '/paid/x', bundle)).status).toBe(status)
    expect((await api(gateway, 'GET', `/payments/${bundle.paymentHash}`)).body).toMatchObject({
      calls: { bought: 2, refunded: 1, used: 3, left: 0 },
      refunds: [{ amount: 1, by: 'ops', applied: true }],
    })
    expect(
      (await api(gateway, 'POST', '/refunds', { body: { paymentHash: bundle.paymentHash, calls: 2 } }))
        .status,
    ).toBe(409)
    expect(
      (await api(gateway, 'POST', '/refunds', { body: { paymentHash: bundle.paymentHash, amountMsat: 5 } }))
        .status,
    ).toBe(422)
    expect((await api(gateway, 'POST', '/refunds', { body: { paymentHash: pass.paymentHash } })).status).toBe(
      422,
    )
    expect(
      (
        await api(gateway, 'POST', '/refunds', {
          body: { paymentHash: pass.paymentHash, amountMsat: 10_001 },
        })
      ).status,
    ).toBe(409)
    expect(
      (
        await api(gateway, 'POST', '/refunds', {
          body: { paymentHash: pass.paymentHash, amountMsat: 10_000 },
        })
      ).status,
    ).toBe(201)

    const revoke = await run(folder, ['tokens', 'revoke', pass.tokenId, '--admin', gateway.admin])
    expect([revoke.code, revoke.out]).toEqual([0, `revoked ${pass.tokenId}\n`])
    expect((await use(gateway, '/pass/x', pass)).status).toBe(402)
    expect((await api(gateway, 'GET', `/payments/${pass.paymentHash}`)).body).toMatchObject({
      state: 'revoked',
    })

    const listed = await run(folder, ['tokens', 'list', '--json', '--admin', gateway.admin])
    expect(JSON.parse(listed.out).items).toHaveLength(2)
    const table = await run(folder, ['payments', '--admin', gateway.admin])
    expect(table.out).toContain(bundle.paymentHash)
    const stats = await run(folder, ['stats', '--admin', gateway.admin])
    expect(stats.out).toMatch(/: 2 sales, 11 sat$/m)
    expect((await run(folder, ['reload', '--admin', gateway.admin])).out).toBe('reloaded\n')
    const refund = await run(folder, ['tokens', 'refund', bundle.tokenId, '--admin', gateway.admin])
    expect([refund.code, refund.out]).toEqual([0, `gave back 1 call of ${bundle.paymentHash}\n`])
    const revocation = { body: { paymentHash: bundle.paymentHash } }
    expect((await api(gateway, 'POST', '/revocations', revocation)).status).toBe(201)
    expect((await use(gateway, '/paid/x', bundle)).status).toBe(402)
    const absent = await run(folder, ['stats', '--admin', 'http://127.0.0.1:1'])
    expect([absent.code, absent.err]).toEqual([
      69,
      'no gateway answers at http://127.0.0.1:1, expected one that runs there\n',
    ])
    expect((await api(gateway, 'GET', '/audit')).body).toMatchObject({
      items: expect.arrayContaining([
        expect.objectContaining({ who: 'ops', what: 'revoke', subject: pass.tokenId, status: 201 }),
      ]),
    })
    for (const path of ['/stats', '/series?step=day', '/keys', '/webhooks', '/dead-letters', '/prices'])
      expect([path, (await api(gateway, 'GET', path)).status]).toEqual([path, 200])
    await gateway.stop()
  }, 240_000)
})

describe('who may ask', () => {
  it('is who has a token, and changes things with one of scope write alone', async () => {
    const gateway = await serve(folderOf())
    expect((await api(gateway, 'GET', '/payments', { token: 'x'.repeat(40) })).status).toBe(401)
    const revocation = { body: { tokenId: '0'.repeat(64) }, token: READ }
    expect((await api(gateway, 'POST', '/revocations', revocation)).status).toBe(403)
    expect((await api(gateway, 'GET', '/keys', { token: READ })).status).toBe(200)
    expect((await api(gateway, 'GET', '/nothing')).status).toBe(404)
    expect((await api(gateway, 'DELETE', '/payments')).answer.header('allow')).toBe('GET')
    expect((await api(gateway, 'GET', '/payments?limit=0')).status).toBe(400)
    expect((await api(gateway, 'GET', '/payments?limt=5')).body).toMatchObject({
      detail: 'unknown parameter "limt", did you mean "limit"?',
    })
    const document = await api(gateway, 'GET', '/openapi.json', { token: READ })
    expect(document.body).toMatchObject({ openapi: '3.1.0' })
    const { paths } = document.body as { paths: Record<string, Record<string, unknown>> }
    const described = Object.values(paths).flatMap((path) => Object.keys(path))
    expect(described).toHaveLength(operations.length)
    await gateway.stop()
  })
})

describe('services', () => {
  it('are changed by version, at once, for good, and never half', async () => {
    const folder = folderOf()
    const gateway = await serve(folder)
    const before = await api(gateway, 'GET', '/services/demo')
    const { version, service } = before.body as { version: string; service: Record<string, unknown> }
    expect(before.answer.header('etag')).toBe(version)
    const price = { body: { price: '7 sat' } }
    const path = '/services/demo/routes/0/price'
    expect((await api(gateway, 'PUT', path, price)).status).toBe(428)
    expect((await api(gateway, 'PUT', path, { ...price, headers: { 'If-Match': '"old"' } })).status).toBe(412)
    const bad = await api(gateway, 'PUT', path, { body: { price: 7 }, headers: { 'If-Match': version } })
    expect([bad.status, (bad.body as { detail: string }).detail]).toEqual([
      422,
      expect.stringMatching(
        /^turnpike\.services\.yaml:\d+:\d+: services\.demo\.routes\[0\]\.price: 7 has no unit, expected /,
      ),
    ])
    expect(existsSync(join(folder, 'turnpike.services.yaml'))).toBe(false)
    expect((await api(gateway, 'PUT', path, { ...price, headers: { 'If-Match': version } })).status).toBe(200)
    expect(JSON.parse((await ask(gateway.url, 'GET', '/pass/x')).body)).toMatchObject({ priceSats: 7 })
    expect(statSync(join(folder, 'turnpike.services.yaml')).mode & 0o777).toBe(0o600)

    const other = { ...service, hosts: ['other.example'] }
    expect((await api(gateway, 'PUT', '/services/other', { body: other })).status).toBe(201)
    expect(
      (await api(gateway, 'PUT', '/services/other', { body: other, headers: { 'If-None-Match': '*' } }))
        .status,
    ).toBe(412)
    const made = (await api(gateway, 'GET', '/services/other/routes')).answer.header('etag')
    const route = { body: { match: '/more', free: true }, headers: { 'If-Match': made } }
    const added = await api(gateway, 'POST', '/services/other/routes?before=0', route)
    expect(added.status).toBe(200)
    const again = { 'If-Match': added.answer.header('etag') }
    const put = await api(gateway, 'PUT', '/services/other/routes/0', {
      body: { match: '/less', free: true },
      headers: again,
    })
    expect(put.status).toBe(200)
    const removed = await api(gateway, 'DELETE', '/services/other/routes/0', {
      headers: { 'If-Match': put.answer.header('etag') },
    })
    expect(removed.status).toBe(200)
    // After HUP and after a restart it is there.
    expect((await api(gateway, 'POST', '/reload')).status).toBe(200)
    expect(JSON.parse((await ask(gateway.url, 'GET', '/pass/x')).body)).toMatchObject({ priceSats: 7 })
    await gateway.stop()
    const next = await serve(folder)
    expect(JSON.parse((await ask(next.url, 'GET', '/pass/x')).body)).toMatchObject({ priceSats: 7 })
    expect((await api(next, 'GET', '/services')).body).toMatchObject({
      items: [{ name: 'demo' }, { name: 'other' }],
    })
    const gone = await api(next, 'DELETE', '/services/other', { headers: { 'If-Match': '*' } })
    expect(gone.status).toBe(204)
    expect((await api(next, 'DELETE', '/services/demo', { headers: { 'If-Match': '*' } })).status).toBe(422)
    expect(readFileSync(join(folder, 'turnpike.services.yaml'), 'utf8')).not.toContain('other')
    const key = await api(next, 'POST', '/keys')
    expect(key.body).toMatchObject({ state: 'mints' })
    const retired = await api(next, 'POST', '/keys/testkey/retirement', { body: { confirm: true } })
    expect(retired.body).toMatchObject({ id: 'testkey', state: 'retired' })
    expect((await api(next, 'POST', '/drain')).status).toBe(202)
    expect((await next.ended).code).toBe(0)
  }, 240_000)
})

describe('the live stream', () => {
  it('tells what happens from now on, and no change waits for it', async () => {
    const gateway = await serve(folderOf())
    const controller = new AbortController()
    const events = await fetch(`${gateway.admin}/api/v1/events`, {
      headers: { Authorization: `Bearer ${READ}` },
      signal: controller.signal,
    })
    expect(events.headers.get('content-type')).toBe('text/event-stream')
    answered.add('events')
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const until = async (wanted: string): Promise<void> => {
      while (!text.includes(wanted)) text += (await reader?.read())?.value ?? ''
    }
    await until('welcome')
    const bought = await buy(gateway, '/pass/x')
    expect((await use(gateway, '/pass/x', bought)).status).toBe(200)
    await until('event: redeemed')
    expect(text.indexOf('event: settled')).toBeLessThan(text.indexOf('event: redeemed'))
    for (const secret of [bought.preimage, bought.macaroon]) expect(text).not.toContain(secret)
    expect((await api(gateway, 'POST', '/reload')).status).toBe(200)
    await until('event: configuration')
    controller.abort()
    await gateway.stop()
  }, 240_000)
})

interface Received {
  readonly id: string
  readonly type: string
  readonly good: boolean
}

/** A receiver of webhooks that checks signatures. */
async function startReceiver(first: number): Promise<{
  readonly received: Received[]
  readonly port: number
  readonly secretLine: string
  answerWith(status: number): void
}> {
  const secret = randomBytes(32)
  const received: Received[] = []
  let status = first
  const receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = request.headers
      const right = createHmac('sha256', secret).update(`${id}.${time}.${body}`).digest('base64')
      received.push({ id: String(id), type: JSON.parse(body).type, good: signature === `v1,${right}` })
      response.writeHead(status).end()
    })
  })
  servers.push(receiver)
  await new Promise<void>((resolve) => {
    receiver.listen(0, '127.0.0.1', resolve)
  })
  return {
    received,
    port: (receiver.address() as AddressInfo).port,
    secretLine: `whsec_${secret.toString('base64')}\n`,
    answerWith(next) {
      status = next
    },
  }
}

describe('webhooks', () => {
  it('come signed, in order, at least once, also after the gateway was killed', async () => {
    const { received, port, secretLine, answerWith } = await startReceiver(500)
    const folder = folderOf(`webhooks: [{ url: "http://127.0.0.1:${port}/hook", secretFile: hook.secret }]`)
    writeFileSync(join(folder, 'hook.secret'), secretLine, { mode: 0o600 })
    const gateway = await serve(folder)
    const bought = await buy(gateway, '/paid/x')
    for (const expected of [200, 200, 402, 402])
      expect((await use(gateway, '/paid/x', bought)).status).toBe(expected)
    // The receiver is down: the first waits, and the others behind it.
    await expect.poll(() => received.length, { timeout: 25_000 }).toBeGreaterThan(0)
    await expect
      .poll(async () => (await api(gateway, 'GET', '/webhooks')).body, { timeout: 25_000 })
      .toMatchObject({ waiting: 3, receivers: [{ url: `http://127.0.0.1:${port}/hook` }] })
    await gateway.kill()
    answerWith(204)
    const first = received[0]
    received.length = 0
    const next = await serve(folder)
    await expect
      .poll(() => received.map(({ type }) => type), { timeout: 25_000 })
      .toEqual(['settled', 'redeemed', 'exhausted'])
    expect(received[0]?.id).toBe(first?.id)
    expect(received.every(({ good }) => good)).toBe(true)
    expect((await api(next, 'POST', '/refunds', { body: { paymentHash: bought.paymentHash } })).status).toBe(
      201,
    )
    await expect.poll(() => received.at(-1)?.type, { timeout: 25_000 }).toBe('refunded')
    await next.stop()
  }, 240_000)

  it('that were given up are listed, and go out again when an operator says so', async () => {
    const { received, port, secretLine, answerWith } = await startReceiver(410)
    const receiver = `{ url: "http://127.0.0.1:${port}/hook?key=1", secretFile: hook.secret, events: [redeemed] }`
    const folder = folderOf(`webhooks: [${receiver}]`)
    writeFileSync(join(folder, 'hook.secret'), secretLine, { mode: 0o600 })
    const gateway = await serve(folder)
    const bought = await buy(gateway, '/pass/x')
    expect((await use(gateway, '/pass/x', bought)).status).toBe(200)
    const dead = async (): Promise<readonly Record<string, unknown>[]> =>
      ((await api(gateway, 'GET', '/dead-letters')).body as { items: Record<string, unknown>[] }).items
    await expect.poll(dead, { timeout: 25_000 }).toMatchObject([
      {
        type: 'redeemed',
        tokenId: bought.tokenId,
        attempts: 1,
        url: `http://127.0.0.1:${port}/hook`,
        why: 'answered 410',
      },
    ])
    const [letter] = await dead()
    answerWith(204)
    const body = { id: letter?.['id'], receiver: letter?.['receiver'] }
    expect((await api(gateway, 'POST', '/dead-letters/redeliveries', { body })).status).toBe(202)
    await expect.poll(() => received, { timeout: 25_000 }).toHaveLength(2)
    expect(received.map(({ id }) => id)).toEqual([letter?.['id'], letter?.['id']])
    await expect.poll(dead, { timeout: 25_000 }).toEqual([])
    expect((await api(gateway, 'POST', '/dead-letters/redeliveries', { body })).status).toBe(404)
    await gateway.stop()
  }, 240_000)
})

it('every operation was answered, and by its own schema', () => {
  expect(operations.map(({ id }) => id).filter((id) => !answered.has(id))).toEqual([])
})
