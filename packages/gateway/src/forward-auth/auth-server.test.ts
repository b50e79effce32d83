import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Gate } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, type Response } from '../../test/e2e/client.ts'
import {
  type Books,
  cleanups,
  closeAll,
  gateOf,
  passGate,
  REFUSED,
  refuseGate,
  TOKEN_ID,
  tableOf,
} from '../../test/proxy/harness.ts'
import { createDataPlane, type DataPlaneOptions, type RequestRecord } from '../proxy/index.ts'
import { createAuthServer } from './auth-server.ts'
import { createOutcomes } from './outcomes.ts'

afterEach(closeAll)

type Extra = Partial<Parameters<typeof tableOf>[2]>

async function start(
  gate: Gate,
  options: { extra?: Extra; plane?: Partial<DataPlaneOptions>; trusted?: boolean; withinMs?: number } = {},
) {
  const records: RequestRecord[] = []
  const faults: string[] = []
  const plane = createDataPlane({
    gate,
    routing: [tableOf('http://127.0.0.1:1', ['/free/*', '/paid/*'], options.extra)],
    hooks: { finished: (record) => records.push(record) },
    ...options.plane,
  })
  const outcomes = createOutcomes(options.withinMs)
  const server = createAuthServer({
    plane,
    outcomes,
    trusted: () => options.trusted !== false,
    fault: (code) => faults.push(code),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    server.close()
    server.closeAllConnections()
    await plane.close()
  })
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const about = (
    target: string,
    {
      path = '/auth',
      headers = {},
      method = 'GET',
    }: { path?: string; headers?: Record<string, string>; method?: string } = {},
  ): Promise<Response> =>
    ask(base, 'GET', path, {
      headers: {
        'X-Forwarded-Method': method,
        'X-Forwarded-Uri': target,
        'X-Forwarded-Host': 'api.example.com',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '192.0.2.1',
        ...headers,
      },
    })
  return { base, about, records, faults, outcomes }
}

describe('a question', () => {
  it('about a request that is paid for is 200 with who paid and what is left, and the use counts', async () => {
    const books: Books = { entries: [] }
    const { about, records } = await start(passGate(books))
    const answer = await about('/paid/x?q=1')
    expect(answer.status).toBe(200)
    expect(answer.header('x-l402-token-id')).toBe(TOKEN_ID)
    expect(answer.header('x-l402-service')).toBe('demo')
    expect(answer.header('ratelimit')).toBe('"calls";r=4')
    expect(books.entries).toEqual(['serve', 'commit'])
    await expect.poll(() => records.length).toBe(1)
    expect(records[0]).toMatchObject({
      method: 'GET',
      path: '/paid/x',
      outcome: 'admitted',
      paid: true,
      status: 200,
      clientAddress: '192.0.2.1',
      complete: true,
    })
  })

  it('about a free route is 200 and names nobody', async () => {
    const answer = await (await start(passGate())).about('/free/x')
    expect([answer.status, answer.header('x-l402-token-id')]).toEqual([200, ''])
  })

  it('about an unpaid request is the gate’s whole answer', async () => {
    const { about, records } = await start(refuseGate())
    const answer = await about('/paid/x')
    expect(answer.status).toBe(402)
    expect(answer.all('www-authenticate')).toEqual([REFUSED.headers[1]])
    expect(answer.body).toBe(REFUSED.body)
    await expect.poll(() => records[0]?.code).toBe('missing')
  })

  it('tells the gate what the client asked, of whom, and from where', async () => {
    const asked: unknown[] = []
    const gate = gateOf(({ method, path, base, clientAddress }) => {
      asked.push([method, path, base, clientAddress])
      return REFUSED
    })
    const { about } = await start(gate, {
      plane: { trustedProxies: () => (address) => address === '10.0.0.1' },
    })
    await about('/paid/x', { method: 'PUT', headers: { 'X-Forwarded-For': '198.51.100.7, 10.0.0.1' } })
    await about('/paid/x', { headers: { 'X-Forwarded-For': '198.51.100.7, 10.0.0.2' } })
    expect(asked).toEqual([
      ['PUT', '/paid/x', 'https://api.example.com', '198.51.100.7'],
      ['GET', '/paid/x', 'https://api.example.com', '10.0.0.2'],
    ])
  })

  it('from an address that is not trusted is 403', async () => {
    const { about, records } = await start(passGate(), { trusted: false })
    expect((await about('/free/x')).status).toBe(403)
    expect(records).toEqual([])
  })

  it('about a client on a block list is 403', async () => {
    const { about } = await start(passGate(), {
      plane: { denied: () => (address) => address === '192.0.2.1' },
    })
    expect((await about('/free/x')).status).toBe(403)
  })

  it('in other words than the one spelling is 400', async () => {
    const { about } = await start(passGate())
    for (const target of [
      '//free/x',
      '/free//x',
      '/free/../free/x',
      '/free/%2e%2e/paid/x',
      '/%66ree/x',
      '/free/%2fx',
      'http://api.example.com/free/x',
      '/free/x"',
    ])
      expect([target, (await about(target)).status]).toEqual([target, 400])
    for (const target of ['/free/%c3%a9', '/free/%C3%A9?%zz', '/free/x?', '/free/'])
      expect([target, (await about(target)).status]).toEqual([target, 200])
  })

  it('about a request with a line that says another method or path is 400, unless the route lets them through', async () => {
    const headers = { 'X-HTTP-Method-Override': 'DELETE' }
    expect((await (await start(passGate())).about('/free/x', { headers })).status).toBe(400)
    expect(
      (
        await (
          await start(passGate(), { extra: { keepOverrideHeaders: true } })
        ).about('/free/x', { headers })
      ).status,
    ).toBe(200)
  })

  it('is never 2xx for what is no pass: preflights, balances, refused gRPC calls', async () => {
    const grpc = {
      ...REFUSED,
      status: 200,
      grpc: true,
      body: '',
      headers: ['Content-Type', 'application/grpc', 'grpc-status', '13', ...REFUSED.headers.slice(0, 2)],
    }
    const { about } = await start(gateOf(() => grpc))
    const call = await about('/paid/x', { method: 'POST', headers: { 'Content-Type': 'application/grpc' } })
    expect([call.status, call.header('grpc-status')]).toEqual([402, '13'])
    const preflight = await about('/paid/x', { method: 'OPTIONS' })
    expect([preflight.status, JSON.parse(preflight.body).code]).toEqual([403, 'not_by_proxy'])
    const nothing = await about('/none', { method: 'POST', headers: { 'Content-Type': 'application/grpc' } })
    expect(nothing.status).toBe(404)
  })

  it('is not answered while the books cannot be written, and the use is given back', async () => {
    const books: Books = { entries: [], serve: () => Promise.reject(new Error('down')) }
    const { about, faults } = await start(passGate(books))
    const answer = await about('/paid/x')
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'store_unavailable'])
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual(['store_unavailable'])
  })

  it('about a price that hangs on a body is 403, as nobody shows it', async () => {
    const pricer = { readsBody: true, price: () => Promise.reject(new Error('not asked')) }
    const terms = {
      service: 'demo',
      name: 'x',
      free: false,
      priceMsat: 0n,
      grants: { calls: 1 },
      capability: 'x',
      pricer,
    } as never
    const { about } = await start(passGate(), { extra: { terms } })
    expect((await about('/paid/x', { method: 'POST' })).status).toBe(403)
    expect(
      (await about('/paid/x', { method: 'POST', headers: { 'X-Original-Content-Length': '0' } })).status,
    ).toBe(403)
    const path = '/auth/length=told'
    expect(
      (await about('/paid/x', { path, method: 'POST', headers: { 'X-Original-Content-Length': '0' } }))
        .status,
    ).toBe(200)
  })

  it('hangs on nothing that a client can put into its query', async () => {
    const { about } = await start(refuseGate())
    expect((await about('/paid/x', { path: '/auth?deny=401&length=told' })).status).toBe(402)
    expect((await about('/paid/x', { path: '/auth/deny=402' })).status).toBe(404)
  })
})

describe('a proxy that takes nothing but 401', () => {
  it('gets the whole answer packed, and unpacked for a second request', async () => {
    const two = { ...REFUSED, headers: [...REFUSED.headers, 'WWW-Authenticate', 'Payment id="x"'] }
    const { base, about } = await start(gateOf(() => two))
    const packed = await about('/paid/x', { path: '/auth/deny=401' })
    expect([packed.status, packed.all('www-authenticate'), packed.body]).toEqual([401, [], ''])
    const answer = await ask(base, 'POST', '/auth/answer', {
      headers: { 'X-L402-Answer': packed.header('x-l402-answer') },
    })
    expect(answer.status).toBe(402)
    expect(answer.all('www-authenticate')).toEqual([REFUSED.headers[1], 'Payment id="x"'])
    expect(answer.body).toBe(REFUSED.body)
  })

  it('gets preflights answered', async () => {
    const { base, about } = await start(refuseGate())
    const packed = await about('/paid/x', { path: '/auth/deny=401', method: 'OPTIONS' })
    const answer = await ask(base, 'OPTIONS', '/auth/answer', {
      headers: { 'X-L402-Answer': packed.header('x-l402-answer') },
    })
    expect(answer.status).toBe(204)
  })

  it.each(['', 'x', 'AAAA', Buffer.from('[]').toString('base64url')])(
    'an answer that is none is 403: %s',
    async (text) => {
      const { base } = await start(refuseGate())
      expect((await ask(base, 'GET', '/auth/answer', { headers: { 'X-L402-Answer': text } })).status).toBe(
        403,
      )
    },
  )
})

describe('a proxy that tells how it ended', () => {
  const tell = (base: string, id: string, status: string): Promise<Response> =>
    ask(base, 'POST', '/auth/outcome', {
      headers: { 'X-L402-Outcome-Id': id, 'X-L402-Outcome-Status': status },
    })

  it.each([
    ['200', 'commit'],
    ['404', 'commit'],
    ['502, 200', 'commit'],
    ['500', 'release'],
    ['200, 504', 'release'],
    ['-', 'release'],
    ['', 'release'],
  ])('%s: %s, once', async (status, done) => {
    const books: Books = { entries: [] }
    const { base, about } = await start(passGate(books))
    const id = (await about('/paid/x', { path: '/auth/settle=report' })).header('x-l402-outcome-id')
    expect(books.entries).toEqual(['serve'])
    expect((await tell(base, id, status)).status).toBe(204)
    expect((await tell(base, id, '500')).status).toBe(404)
    expect(books.entries).toEqual(['serve', done])
  })

  it('and does not: the use counts', async () => {
    const books: Books = { entries: [] }
    const { about } = await start(passGate(books), { withinMs: 1 })
    await about('/paid/x', { path: '/auth/settle=report' })
    await expect.poll(() => books.entries).toEqual(['serve', 'commit'])
  })

  it('has nothing to tell of a time pass', async () => {
    const { about } = await start(passGate({ entries: [] }, { counted: false }))
    expect((await about('/paid/x', { path: '/auth/settle=report' })).header('x-l402-outcome-id')).toBe('')
  })
})
