import { createServer } from 'node:net'
import { compileRoutes } from '@turnpike/l402/server'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Books,
  closeAll,
  type Gateway,
  get,
  open,
  passGate,
  proxyRoute,
  readAll,
  sendRaw,
  startGateway,
  startRawUpstream,
  startUpstream,
} from '../../test/proxy/harness.ts'
import type { HostTable } from './routing.ts'
import type { UpstreamGroup, UpstreamState } from './upstream-group.ts'
import { unwellServices } from './upstream-group.ts'

afterEach(closeAll)

const HOUR_MS = 3_600_000

/** `/free/*` and `/paid/*` of one service with these upstreams. */
function groupTable(
  origins: readonly string[],
  extra: Partial<UpstreamGroup> = {},
  timeoutMs = 10_000,
): HostTable {
  const group: UpstreamGroup = {
    service: 'demo',
    targets: origins.map((url) => {
      const { origin, pathname } = new URL(url)
      return { origin, basePath: pathname === '/' ? '' : pathname }
    }),
    balance: 'round-robin',
    retries: 0,
    ...extra,
  }
  const specs = ['/free/*', '/paid/*'].map((match) => ({
    match,
    value: proxyRoute(origins[0] ?? '', match, { group, timeoutMs }),
  }))
  return { routes: compileRoutes(specs) }
}

/** An address that refuses connections. */
async function refusing(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

async function gatewayOf(
  table: HostTable,
  books?: Books,
): Promise<Gateway & { states: UpstreamState[]; faults: string[] }> {
  const states: UpstreamState[] = []
  const faults: string[] = []
  const gateway = await startGateway({
    routing: [table],
    ...(books === undefined ? {} : { gate: passGate(books) }),
    hooks: { upstreamState: (state) => states.push(state), fault: (code) => faults.push(code) },
  })
  return { ...gateway, states, faults }
}

describe('several upstreams', () => {
  it('get requests in turn, each below its own path', async () => {
    const [a, b] = [await startUpstream(), await startUpstream()]
    const { port } = await gatewayOf(groupTable([`${a.origin}/v1`, b.origin]))
    for (let i = 0; i < 4; i++) expect((await get(port, '/free/x?q=1')).status).toBe(200)
    expect(a.seen.map(({ url }) => url)).toEqual(['/v1/free/x?q=1', '/v1/free/x?q=1'])
    expect(b.seen.map(({ url }) => url)).toEqual(['/free/x?q=1', '/free/x?q=1'])
  })

  it('with least-busy: the one that is busy gets none while the other is idle', async () => {
    const slow = await startUpstream(() => {})
    const quick = await startUpstream()
    const { port } = await gatewayOf(groupTable([slow.origin, quick.origin], { balance: 'least-busy' }))
    const hanging = open(port)
    hanging.write('GET /free/slow HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    await vi.waitFor(() => expect(slow.seen).toHaveLength(1))
    for (let i = 0; i < 4; i++) expect((await get(port, '/free/x')).status).toBe(200)
    expect(quick.seen).toHaveLength(4)
    hanging.destroy()
  })

  it('a redirect of theirs is left alone and goes to the client', async () => {
    const upstream = await startUpstream((_, res) => {
      res.writeHead(302, { Location: 'http://elsewhere.test/login?next=/free/x' }).end()
    })
    const { port } = await gatewayOf(groupTable([upstream.origin, upstream.origin], { retries: 3 }))
    const answer = await get(port, '/free/x')
    expect(answer.status).toBe(302)
    expect(answer.head).toContain('Location: http://elsewhere.test/login?next=/free/x')
    expect(upstream.seen).toHaveLength(1)
  })
})

describe('retries', () => {
  it('go to another upstream where the connection was refused, with a body too, and charge once', async () => {
    const books: Books = { entries: [] }
    const well = await startUpstream()
    const { port, faults } = await gatewayOf(
      groupTable([await refusing(), well.origin], { retries: 1 }),
      books,
    )
    const answer = await sendRaw(
      port,
      'POST /paid/x HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
    )
    expect(answer.status).toBe(200)
    expect(well.seen).toMatchObject([{ method: 'POST', url: '/paid/x', body: 'hello' }])
    expect(books.entries).toEqual(['serve', 'commit'])
    expect(faults).toEqual([])
  })

  it('never follow a request that an upstream may have', async () => {
    const books: Books = { entries: [] }
    let arrived = 0
    const raw = await startRawUpstream((socket) => {
      socket.once('data', () => {
        arrived++
        socket.destroy()
      })
    })
    const other = await startUpstream()
    const { port } = await gatewayOf(groupTable([raw.origin, other.origin], { retries: 5 }), books)
    const answer = await sendRaw(
      port,
      'POST /paid/x HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi',
    )
    expect(answer.status).toBe(502)
    expect(answer.body).toContain('upstream_closed')
    expect(arrived).toBe(1)
    expect(other.seen).toEqual([])
    expect(books.entries).toEqual(['release'])
    // The next one is the other's turn, the one after that the first's again.
    await get(port, '/paid/y')
    expect((await get(port, '/paid/z')).status).toBe(502)
    expect(arrived).toBe(2)
    expect(other.seen.map(({ url }) => url)).toEqual(['/paid/y'])
  })

  it('are as many as configured: with all of them refused the use is given back', async () => {
    const books: Books = { entries: [] }
    const { port } = await gatewayOf(groupTable([await refusing(), await refusing()], { retries: 3 }), books)
    const answer = await get(port, '/paid/x')
    expect(answer.status).toBe(502)
    expect(answer.body).toContain('upstream_unreachable')
    expect(books.entries).toEqual(['release'])
  })

  it('are none with 0', async () => {
    const well = await startUpstream()
    const { port } = await gatewayOf(groupTable([await refusing(), well.origin]))
    expect((await get(port, '/free/x')).status).toBe(502)
    expect((await get(port, '/free/x')).status).toBe(200)
  })
})

describe('ejection', () => {
  it('leaves an upstream out that failed so often in a row, and tells so', async () => {
    const [dead, well] = [await refusing(), await startUpstream()]
    const eject = { failures: 2, forMs: HOUR_MS }
    const { port, states, dataPlane } = await gatewayOf(groupTable([dead, well.origin], { eject }))
    const statuses: number[] = []
    for (let i = 0; i < 8; i++) statuses.push((await get(port, '/free/x')).status)
    expect(statuses).toEqual([502, 200, 502, 200, 200, 200, 200, 200])
    expect(states).toEqual([{ service: 'demo', upstream: dead, healthy: true, ejected: true }])
    expect(dataPlane.upstreams()).toMatchObject([{ ejected: true }, { ejected: false }])
    expect(unwellServices(dataPlane.upstreams())).toEqual([])
  })

  it('counts answers that do not come in time', async () => {
    const [hung, well] = [await startUpstream(() => {}), await startUpstream()]
    const table = groupTable([hung.origin, well.origin], { eject: { failures: 1, forMs: HOUR_MS } }, 50)
    const { port, states } = await gatewayOf(table)
    expect((await get(port, '/free/x')).status).toBe(504)
    expect(states).toMatchObject([{ upstream: hung.origin, ejected: true }])
    for (let i = 0; i < 3; i++) expect((await get(port, '/free/x')).status).toBe(200)
  })

  it('does not count clients that leave, nor statuses', async () => {
    const hung = await startUpstream((req, res) => {
      if (req.url === '/free/503') res.writeHead(503).end()
    })
    const other = await startUpstream()
    const table = groupTable([hung.origin, other.origin], { eject: { failures: 1, forMs: HOUR_MS } })
    const { port, states, dataPlane } = await gatewayOf(table)
    const leaving = open(port)
    leaving.write('GET /free/x HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    await vi.waitFor(() => expect(hung.seen).toHaveLength(1))
    leaving.destroy()
    await vi.waitFor(() => expect(dataPlane.inFlight()).toBe(0))
    await get(port, '/free/other')
    expect((await get(port, '/free/503')).status).toBe(503)
    expect(states).toEqual([])
  })

  it('of all still tries one: the service may be back', async () => {
    const books: Books = { entries: [] }
    const upstream = await startUpstream()
    const dead = await refusing()
    const eject = { failures: 1, forMs: HOUR_MS }
    const { port, dataPlane } = await gatewayOf(groupTable([dead, upstream.origin], { eject }), books)
    await get(port, '/paid/x')
    await upstream.close()
    expect((await get(port, '/paid/x')).status).toBe(502)
    expect(unwellServices(dataPlane.upstreams())).toEqual(['demo'])
    expect((await get(port, '/paid/x')).status).toBe(502)
    expect(new Set(books.entries)).toEqual(new Set(['release']))
    expect(dataPlane.upstreams()).toHaveLength(2)
  })

  it('outlives a reload that changes nothing about the group', async () => {
    const table = (): HostTable => groupTable([dead, well.origin], { eject: { failures: 1, forMs: HOUR_MS } })
    const [dead, well] = [await refusing(), await startUpstream()]
    const { port, dataPlane } = await gatewayOf(table())
    expect((await get(port, '/free/x')).status).toBe(502)
    dataPlane.swap([table()])
    for (let i = 0; i < 3; i++) expect((await get(port, '/free/x')).status).toBe(200)
    dataPlane.swap([groupTable([well.origin])])
    expect(dataPlane.upstreams()).toMatchObject([{ upstream: well.origin }])
  })
})

describe('health checks', () => {
  const health = { path: '/healthz?deep=1', intervalMs: 20, timeoutMs: 1000, failAfter: 2, passAfter: 2 }

  it('take an upstream out that fails them, and back in', async () => {
    let sick = true
    const patient = await startUpstream((req, res) => {
      res.writeHead(req.url === health.path && sick ? 500 : 200).end()
    })
    const well = await startUpstream()
    const { port, states } = await gatewayOf(groupTable([patient.origin, well.origin], { health }))
    await vi.waitFor(() => expect(states).toMatchObject([{ upstream: patient.origin, healthy: false }]))
    for (let i = 0; i < 4; i++) await get(port, '/free/x')
    expect(patient.seen.filter(({ url }) => url === '/free/x')).toEqual([])
    expect(patient.seen[0]).toMatchObject({ method: 'GET', url: '/healthz?deep=1', body: '' })
    sick = false
    await vi.waitFor(() => expect(states).toMatchObject([{ healthy: false }, { healthy: true }]))
    for (let i = 0; i < 2; i++) await get(port, '/free/x')
    expect(patient.seen.filter(({ url }) => url === '/free/x')).toHaveLength(1)
  })

  it('that hang count as failed, and stop with the gateway’s interest in them', async () => {
    const hung = await startUpstream(() => {})
    const table = groupTable([hung.origin], { health: { ...health, timeoutMs: 10 } })
    const { states, dataPlane } = await gatewayOf(table)
    await vi.waitFor(() => expect(states).toMatchObject([{ healthy: false }]))
    expect(unwellServices(dataPlane.upstreams())).toEqual(['demo'])
    dataPlane.swap([groupTable([hung.origin])])
    expect(dataPlane.upstreams()).toMatchObject([{ healthy: true }])
    // Back again, it is a new group.
    dataPlane.swap([table])
    expect(dataPlane.upstreams()).toMatchObject([{ healthy: true }])
    await vi.waitFor(() => expect(dataPlane.upstreams()).toMatchObject([{ healthy: false }]))
  })

  it('do not keep requests from the only upstream there is', async () => {
    const upstream = await startUpstream((req, res) => {
      res.writeHead(req.url === health.path ? 404 : 200).end()
    })
    const { port, states } = await gatewayOf(groupTable([upstream.origin], { health }))
    await vi.waitFor(() => expect(states).toMatchObject([{ healthy: false }]))
    expect((await get(port, '/free/x')).status).toBe(200)
  })
})

describe('a stale connection', () => {
  it('is no reason to go elsewhere: the same upstream is asked once more on a new one', async () => {
    let connections = 0
    const raw = await startRawUpstream((socket) => {
      const mine = ++connections
      let requests = 0
      socket.on('data', () => {
        requests++
        if (mine === 1 && requests > 1) socket.destroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    const { port } = await gatewayOf(groupTable([`${raw.origin}/base`], { retries: 2 }))
    const socket = open(port)
    const all = readAll(socket)
    socket.write('GET /free/a HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    await vi.waitFor(() => expect(connections).toBe(1))
    socket.write('GET /free/b HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n')
    expect((await all).match(/HTTP\/1\.1 200/g)).toHaveLength(2)
    expect(connections).toBe(2)
  })
})
