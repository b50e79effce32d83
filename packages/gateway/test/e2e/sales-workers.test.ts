/** What was sold by several processes: written down once, by the main process, whatever becomes of a worker. */

import { createHmac, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { ask, type Response, until } from './client.ts'
import { type Bought, buy, cleanUp, configOf, folderWith, type Program, serve } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

const TOKEN = 'w'.repeat(40)
const receivers: Server[] = []
afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})
afterAll(() => {
  for (const receiver of receivers) receiver.close()
})

async function startTwo(more = '', secret?: string): Promise<Program> {
  const upstream = await startUpstream()
  const text = configOf({ upstream: upstream.origin, top: `workers: 2\n${more}` })
  const folder = folderWith(text.replace('admin: { ', 'admin: { tokenFile: admin.token, '))
  writeFileSync(join(folder, 'admin.token'), `ops write ${TOKEN}\n`, { mode: 0o600 })
  if (secret !== undefined) writeFileSync(join(folder, 'hook.secret'), secret, { mode: 0o600 })
  return serve(folder)
}

async function api(
  { admin }: Program,
  method: string,
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown>; answer: Response }> {
  const answer = await ask(admin, method, `/api/v1${path}`, {
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: answer.body === '' ? {} : JSON.parse(answer.body), answer }
}

const use = async (gateway: Program, path: string, { authorization }: Bought): Promise<number> =>
  (await ask(gateway.url, 'GET', path, { headers: { Authorization: authorization } })).status

/** The process number of the worker that served it, for each request so far. */
function servers(gateway: Program): readonly number[] {
  return [...gateway.output().matchAll(/"worker":(\d+),"method"/g)].map(([, pid]) => Number(pid))
}

// Three processes start in each of these.
describe('two workers', { timeout: 240_000 }, () => {
  it('sell into one journal: each payment and each of its events once, also of workers that are killed', async () => {
    const received: string[] = []
    const secret = randomBytes(32)
    const receiver = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        const id = String(request.headers['webhook-id'])
        const signed = `${id}.${request.headers['webhook-timestamp']}.${body}`
        const right = createHmac('sha256', secret).update(signed).digest('base64')
        if (request.headers['webhook-signature'] === `v1,${right}`) received.push(id)
        response.writeHead(204).end()
      })
    })
    receivers.push(receiver)
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve)
    })
    const { port } = receiver.address() as AddressInfo
    const gateway = await startTwo(
      `webhooks: [{ url: "http://127.0.0.1:${port}/", secretFile: hook.secret }]`,
      `whsec_${secret.toString('base64')}\n`,
    )
    const controller = new AbortController()
    const live = await fetch(`${gateway.admin}/api/v1/events`, {
      headers: { Authorization: `Bearer ${TOKEN}` },
      signal: controller.signal,
    })
    let stream = ''
    const reading = (async () => {
      for await (const chunk of live.body?.pipeThrough(new TextDecoderStream()) ?? []) stream += chunk
    })().catch(() => {})

    const passes = await Promise.all(Array.from({ length: 6 }, () => buy(gateway, '/pass/x')))
    const bundles = await Promise.all(Array.from({ length: 2 }, () => buy(gateway, '/paid/x')))
    // Both workers see every pass.
    for (let i = 0; i < 4; i++)
      for (const pass of passes) expect(await use(gateway, '/pass/x', pass)).toBe(200)
    for (const bundle of bundles)
      for (const status of [200, 200, 200, 402, 402])
        expect(await use(gateway, '/paid/x', bundle)).toBe(status)
    await until(() => new Set(servers(gateway)).size === 2, 'both have served')
    // Twice, a worker dies right after it has served a new pass. One is always there, for it keeps the port.
    const late: Bought[] = []
    for (const deaths of [1, 2]) {
      const pass = await buy(gateway, '/pass/x')
      const before = servers(gateway).length
      expect(await use(gateway, '/pass/x', pass)).toBe(200)
      await until(() => servers(gateway).length > before, 'it is logged who served')
      process.kill(servers(gateway).at(-1) ?? 0, 'SIGKILL')
      late.push(pass)
      await until(() => gateway.output().split('a worker ended').length === deaths + 1, 'it is noticed')
      const ready = async (): Promise<boolean> => (await ask(gateway.admin, 'GET', '/readyz')).status === 200
      await until(ready, 'all is well again', 60_000)
    }

    const all = [...passes, ...bundles, ...late]
    const hashes = all.map(({ paymentHash }) => paymentHash).sort()
    await expect
      .poll(async () => ((await api(gateway, 'GET', '/payments')).body['items'] as unknown[]).length, {
        timeout: 25_000,
      })
      .toBe(all.length)
    const { items } = (await api(gateway, 'GET', '/payments')).body as {
      items: { paymentHash: string; amountExact: boolean; state: string }[]
    }
    expect(items.map(({ paymentHash }) => paymentHash).sort()).toEqual(hashes)
    expect(items.every(({ amountExact }) => amountExact)).toBe(true)
    expect(items.filter(({ state }) => state === 'exhausted')).toHaveLength(2)

    // What others know is told once more, and changes nothing.
    for (const pass of [...passes, ...late]) expect(await use(gateway, '/pass/x', pass)).toBe(200)
    // 10 settled, 10 redeemed, 2 exhausted.
    await expect.poll(() => new Set(received).size, { timeout: 25_000 }).toBe(22)
    for (const [type, count] of [
      ['settled', 10],
      ['redeemed', 10],
      ['exhausted', 2],
    ] as const)
      await expect.poll(() => stream.split(`event: ${type}\n`).length - 1, { timeout: 25_000 }).toBe(count)
    const { body } = await ask(gateway.admin, 'GET', '/metrics')
    expect(body).toMatch(/^turnpike_settlements_total\{service="demo"\} 10$/m)
    expect(body).toMatch(/^turnpike_earned_msat_total\{service="demo"\} 82000$/m)
    expect((await api(gateway, 'GET', '/stats')).body).toMatchObject({
      sales: 10,
      amountMsat: 82_000,
      counters: { settlements: 10, earned_msat: 82_000, workers_serving: 2, worker_deaths: 2 },
    })
    controller.abort()
    await reading
    expect((await gateway.stop()).code).toBe(0)
  })

  it('do all that the API changes: prices, services, keys, refunds, reload and drain', async () => {
    const gateway = await startTwo()
    const prices = async (): Promise<ReadonlySet<number>> =>
      new Set(
        await Promise.all(
          Array.from(
            { length: 6 },
            async () => JSON.parse((await ask(gateway.url, 'GET', '/pass/x')).body).priceSats,
          ),
        ),
      )
    expect(await prices()).toEqual(new Set([10]))
    const { version, service } = (await api(gateway, 'GET', '/services/demo')).body as {
      version: string
      service: object
    }
    const path = '/services/demo/routes/1/price'
    const bad = await api(gateway, 'PUT', path, {
      body: { price: '7 satz' },
      headers: { 'If-Match': version },
    })
    expect(bad.status).toBe(422)
    expect(await prices()).toEqual(new Set([10]))
    const put = await api(gateway, 'PUT', path, {
      body: { price: '7 sat' },
      headers: { 'If-Match': version },
    })
    expect(put.status).toBe(200)
    // From the answer on, in every worker.
    expect(await prices()).toEqual(new Set([7]))
    const other = { ...service, hosts: ['other.example'] }
    expect((await api(gateway, 'PUT', '/services/other', { body: other })).status).toBe(201)
    const asked = await Promise.all(
      Array.from({ length: 6 }, () =>
        ask(gateway.url, 'GET', '/free/x', { headers: { Host: 'other.example' } }),
      ),
    )
    expect(asked.map(({ status }) => status)).toEqual(Array(6).fill(200))

    const before = await buy(gateway, '/paid/x')
    for (const status of [200, 200, 200, 402]) expect(await use(gateway, '/paid/x', before)).toBe(status)
    await expect
      .poll(async () => (await api(gateway, 'GET', `/payments/${before.paymentHash}`)).body['state'], {
        timeout: 25_000,
      })
      .toBe('exhausted')
    const refund = await api(gateway, 'POST', '/refunds', {
      body: { paymentHash: before.paymentHash, calls: 1, reason: 'late' },
    })
    expect(refund.status).toBe(201)
    for (const status of [200, 402]) expect(await use(gateway, '/paid/x', before)).toBe(status)

    expect((await api(gateway, 'POST', '/keys')).body).toMatchObject({ state: 'mints' })
    const after = await buy(gateway, '/pass/x')
    for (let i = 0; i < 4; i++) expect(await use(gateway, '/pass/x', after)).toBe(200)
    const old = await api(gateway, 'POST', '/keys/testkey/retirement', { body: { confirm: true } })
    expect(old.status).toBe(200)
    for (let i = 0; i < 4; i++) expect(await use(gateway, '/paid/x', before)).toBe(402)
    expect((await api(gateway, 'POST', '/reload')).body).toMatchObject({ reloaded: true })
    for (let i = 0; i < 4; i++) expect(await use(gateway, '/pass/x', after)).toBe(200)
    expect((await api(gateway, 'POST', '/drain')).status).toBe(202)
    expect((await gateway.ended).code).toBe(0)
  })
})
