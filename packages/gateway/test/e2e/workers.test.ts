import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, until } from './client.ts'
import { keepAsking } from './kept-client.ts'
import { buy, cleanUp, configOf, folderWith, type Program, run, serve, start } from './program.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

afterEach(async () => {
  await cleanUp()
  await closeUpstreams()
})

const WORKERS = 'workers: 2'

/** How many requests each worker has logged. */
function served(gateway: Program): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const [, pid] of gateway.output().matchAll(/"worker":(\d+),"method"/g))
    counts.set(Number(pid), (counts.get(Number(pid)) ?? 0) + 1)
  return counts
}

/** The process numbers of both workers; asks until each has served. */
async function workersOf(gateway: Program): Promise<readonly number[]> {
  const before = new Map(served(gateway))
  const fresh = (): number[] =>
    [...served(gateway)].filter(([pid, count]) => count > (before.get(pid) ?? 0)).map(([pid]) => pid)
  await until(async () => {
    await ask(gateway.url, 'GET', '/free/who')
    return fresh().length === 2
  }, 'both workers have served')
  return fresh()
}

const readiness = async ({ admin }: Program): Promise<number> => (await ask(admin, 'GET', '/readyz')).status

// Three processes start in each of these.
describe('two workers', { timeout: 60_000 }, () => {
  it('serve a bundle of 200 calls exactly 200 times between them', async () => {
    const upstream = await startUpstream()
    const routes = [
      '{ match: "/free/*", free: true }',
      '{ match: "/paid/*", price: 1 sat, grants: { calls: 200 } }',
    ]
    const gateway = await start({ upstream: upstream.origin, routes, top: WORKERS })
    const { authorization } = await buy(gateway, '/paid/x')
    const before = served(gateway)
    upstream.forget()
    const statuses: number[] = []
    await Promise.all(
      Array.from({ length: 25 }, async () => {
        for (let i = 0; i < 10; i++)
          statuses.push(
            (await ask(gateway.url, 'GET', '/paid/x', { headers: { Authorization: authorization } })).status,
          )
      }),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(200)
    expect(statuses.filter((status) => status === 402)).toHaveLength(50)
    expect(upstream.seen).toHaveLength(200)
    const after = served(gateway)
    expect(after.size).toBe(2)
    for (const [pid, count] of after) expect(count).toBeGreaterThan((before.get(pid) ?? 0) + 10)
    // Counted together, wherever it was served.
    const { body } = await ask(gateway.admin, 'GET', '/metrics')
    expect(body).toMatch(/^turnpike_redemptions_total\{service="demo",route="\/paid\/\*"\} 200$/m)
    expect(body).toMatch(/^turnpike_workers_serving 2$/m)
  })

  it('both refuse what is revoked', async () => {
    const folder = folderWith(configOf({ top: WORKERS }).replace('admin: { ', 'admin: { tokenFile: token, '))
    writeFileSync(join(folder, 'token'), `${'t'.repeat(32)}\n`, { mode: 0o600 })
    const gateway = await serve(folder)
    const { authorization, tokenId } = await buy(gateway, '/pass/x')
    const use = async (): Promise<number> =>
      (await ask(gateway.url, 'GET', '/pass/x', { headers: { Authorization: authorization } })).status
    // Both know the credential.
    const before = served(gateway)
    await until(async () => {
      await use()
      return [...served(gateway)].filter(([pid, count]) => count > (before.get(pid) ?? 0)).length === 2
    }, 'both have served it')
    const revoked = await ask(gateway.admin, 'POST', '/api/v1/revocations', {
      headers: { Authorization: `Bearer ${'t'.repeat(32)}` },
      body: JSON.stringify({ tokenId }),
    })
    expect(revoked.status).toBe(201)
    // Connections go to the workers in turn.
    await until(async () => {
      const statuses = [await use(), await use(), await use(), await use()]
      return statuses.every((status) => status !== 200)
    }, 'both refuse it')
  })

  it('keep one limit of challenges', async () => {
    const text = configOf({ top: WORKERS }).replace('limit: off', 'limit: 10/1h, exempt: [], reuse: false')
    const gateway = await serve(folderWith(text))
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(gateway.url, 'GET', '/paid/x')))
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length
    expect([count(402), count(429)]).toEqual([10, 20])
    expect(served(gateway).size).toBe(2)
  })

  it('when one is killed the other goes on, another takes its place, and no use is lost or given away', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url !== '/paid/stuck') res.end('{"ok":true}')
    })
    const routes = [
      '{ match: "/free/*", free: true }',
      '{ match: "/paid/*", price: 1 sat, grants: { calls: 5 } }',
    ]
    const gateway = await start({ upstream: upstream.origin, routes, top: WORKERS })
    const [first = 0, second = 0] = await workersOf(gateway)
    const { authorization } = await buy(gateway, '/paid/x')
    const headers = { Authorization: authorization }
    // Each worker holds a use when one of them dies.
    const stuck = Array.from({ length: 4 }, () =>
      ask(gateway.url, 'GET', '/paid/stuck', { headers }).catch(() => undefined),
    )
    await until(() => upstream.seen.filter(({ url }) => url === '/paid/stuck').length === 4, 'four wait')
    const load = Array.from({ length: 4 }, () => keepAsking(gateway.port, '/free/x'))
    await until(() => load.every((client) => client.count() > 10), 'there is load')
    process.kill(first, 'SIGKILL')
    await until(() => gateway.output().includes('a worker ended'), 'it is noticed')
    await until(async () => (await readiness(gateway)) === 200, 'all is well again')
    for (const client of load) client.stop()
    const outcomes = await Promise.all(load.map((client) => client.done))
    expect(outcomes.some(({ unanswered }) => unanswered === 0)).toBe(true)
    for (const { statuses } of outcomes) expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await workersOf(gateway)).toContain(second)
    // What the dead one held is given back; what the living one holds is still held.
    await until(async () => {
      const { header, status } = await ask(gateway.url, 'GET', '/paid/x', { headers })
      return status === 402 || header('ratelimit') === '"calls";r=0'
    }, 'the rest is used')
    const okay = upstream.seen.filter(({ url }) => url === '/paid/x').length
    expect(okay).toBe(5 - 2)
    await gateway.kill()
    await Promise.all(stuck)
  })

  it('reload without a dropped connection; a bad file changes neither', async () => {
    const upstream = await startUpstream()
    const text = configOf({ upstream: upstream.origin, top: WORKERS })
    const gateway = await serve(folderWith(text))
    await workersOf(gateway)
    const load = Array.from({ length: 6 }, (_, i) =>
      keepAsking(gateway.port, '/free/x', { depth: 1 + (i % 3) }),
    )
    const reload = async (content: string, sign: string): Promise<void> => {
      writeFileSync(join(gateway.folder, 'turnpike.yaml'), content)
      const before = gateway.output().split(sign).length
      gateway.signal('SIGHUP')
      await until(() => gateway.output().split(sign).length > before, `it says "${sign}"`)
    }
    for (let i = 0; i < 5; i++) await reload(`${text}\n# ${i}`, 'configuration reloaded')
    await reload('services: {', 'not reloaded')
    await reload(text.replace('price: 10 sat', 'price: 20 sat'), 'configuration reloaded')
    for (const client of load) client.stop()
    for (const outcome of await Promise.all(load.map((client) => client.done))) {
      expect(outcome).toMatchObject({ unanswered: 0, toldToClose: false })
      expect(new Set(outcome.statuses)).toEqual(new Set([200]))
    }
    const prices = await Promise.all(
      Array.from(
        { length: 6 },
        async () => JSON.parse((await ask(gateway.url, 'GET', '/pass/x')).body).priceSats,
      ),
    )
    expect(new Set(prices)).toEqual(new Set([20]))
    expect(served(gateway).size).toBe(2)
  })

  it('drain without a failed request', async () => {
    const upstream = await startUpstream()
    const gateway = await start({ upstream: upstream.origin, top: WORKERS })
    await workersOf(gateway)
    const load = Array.from({ length: 12 }, (_, i) =>
      keepAsking(gateway.port, '/free/x', { depth: 1 + (i % 3) }),
    )
    await until(() => load.every((client) => client.count() > 20), 'there is load')
    expect((await gateway.stop()).code).toBe(0)
    for (const outcome of await Promise.all(load.map((client) => client.done))) {
      expect(outcome).toMatchObject({ unanswered: 0, toldToClose: true })
      expect(new Set(outcome.statuses)).toEqual(new Set([200]))
    }
  })
})

it('one process drains without a failed request, too', async () => {
  const upstream = await startUpstream()
  const gateway = await start({ upstream: upstream.origin })
  const load = Array.from({ length: 12 }, (_, i) =>
    keepAsking(gateway.port, '/free/x', { depth: 1 + (i % 3) }),
  )
  await until(() => load.every((client) => client.count() > 20), 'there is load')
  expect((await gateway.stop()).code).toBe(0)
  for (const outcome of await Promise.all(load.map((client) => client.done))) {
    expect(outcome).toMatchObject({ unanswered: 0, toldToClose: true })
    expect(new Set(outcome.statuses)).toEqual(new Set([200]))
  }
  expect(upstream.seen.length).toBeGreaterThan(240)
})

it('several workers cannot share a store in memory', async () => {
  const { code, err } = await run(folderWith(configOf({ top: WORKERS, store: 'memory' })), ['serve'])
  expect(code).toBe(78)
  expect(err).toMatch(/^turnpike\.yaml:7:10: workers: 2 processes cannot share a store in memory, expected/)
})

it('what keeps a worker from starting is told, with its exit code', async () => {
  const gateway = await start()
  const port = gateway.port
  const text = configOf({ top: WORKERS }).replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${port}`)
  const { code, err } = await run(folderWith(text), ['serve'])
  expect(code).toBe(1)
  expect(err).toContain(`cannot listen on 127.0.0.1:${port}`)
})
