import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type sendUnaryData, type UntypedHandleCall } from '@grpc/grpc-js'
import { formatCredential } from '@turnpike/l402'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { createGate, keyRing, type PricedEvent } from '@turnpike/l402/server'
import { memoryStore } from '@turnpike/l402/store/memory'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  closeAll,
  type RawAnswer,
  sendRaw,
  startGateway,
  startUpstream,
  type Upstream,
} from '../../test/proxy/harness.ts'
import { buildRouting } from '../assemble.ts'
import { parseConfig } from '../config/load.ts'
import { openPricers } from './pricers.ts'
import { pricesService } from './prices-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  await closeAll()
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A gateway over real sockets whose one route has this price, with a buyer beside it. */
async function shop(route: string, { top = '', upstream }: { top?: string; upstream?: Upstream } = {}) {
  const behind = upstream ?? (await startUpstream())
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-pricing-'))
  cleanups.push(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'hook.secret'), 'a secret of the shop, long enough\n')
  const text = `lightning: sandbox
${top}services:
  demo:
    upstream: ${behind.origin}
    routes:
      - { match: "/*", ${route} }
`
  const config = parseConfig(text, { file: 'turnpike.yaml', folder, env: {}, sandbox: false })
  const warnings: string[] = []
  const pricers = await openPricers(config, { warn: (message) => warnings.push(message) })
  const events: PricedEvent[] = []
  const lightning = memoryLightning({})
  const ledger = memoryStore()
  const gate = createGate({
    lightning,
    ledger,
    keys: keyRing([{ id: 'k', masterKey: new Uint8Array(32).fill(1), active: true }]),
    services: { demo: {} },
    challengeLimit: { limit: 1, perSeconds: 1, exempt: () => true },
    onPriced: (event) => events.push(event),
  })
  cleanups.push(
    () => pricers.close(),
    () => ledger.close(),
  )
  const routing = buildRouting(config, undefined, { pricerOf: pricers.of })
  const { port } = await startGateway({ routing, gate })
  const ask = (target: string, { lines = [], body }: { lines?: string[]; body?: string } = {}) => {
    const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
    const head = [`${body === undefined ? 'GET' : 'POST'} ${target} HTTP/1.1`, 'Host: a', 'Connection: close']
    return sendRaw(port, `${[...head, ...lines, ...length, '', ''].join('\r\n')}${body ?? ''}`)
  }
  const pay = async (answer: RawAnswer): Promise<string> => {
    const { macaroon, invoice, paymentHash, priceMsat } = JSON.parse(answer.body)
    const paid = await lightning.pay({
      invoice,
      paymentHash: Buffer.from(paymentHash, 'hex'),
      amountMsat: BigInt(priceMsat),
      maxFeeMsat: 0n,
      timeoutMs: 1_000,
    })
    if (paid.status !== 'paid') throw new Error(`the payment is ${paid.status}`)
    return `Authorization: ${formatCredential(macaroon, paid.preimage)}`
  }
  return { ask, pay, events, warnings, upstream: behind, pricers }
}

const priceMsat = (answer: RawAnswer): unknown => JSON.parse(answer.body).priceMsat

/** A program that says prices over HTTP. */
async function startHook(handler: (question: unknown, req: IncomingMessage, res: ServerResponse) => void) {
  const questions: unknown[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const question = text === '' ? undefined : JSON.parse(text)
    questions.push(question)
    Object.assign(req, { text })
    handler(question, req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/price`, questions }
}

describe('a pricing hook', () => {
  it('is told the request without its secrets, and says the price', async () => {
    const hook = await startHook((_, __, res) => res.end('{"price":"21 sat"}'))
    const { ask } = await shop(`price: { hook: "${hook.url}", headers: [X-Model], body: true }`)
    const lines = ['X-Model: big', 'X-Other: no', 'Authorization: Bearer s3cret', 'Cookie: s3cret']
    const answer = await ask('/a/../b?x=1', { lines, body: '{"n":1}' })
    expect(answer.status).toBe(402)
    expect(priceMsat(answer)).toBe(21_000)
    expect(hook.questions).toEqual([
      {
        method: 'POST',
        path: '/b',
        query: '?x=1',
        headers: [['x-model', 'big']],
        bodyBytes: 7,
        body: Buffer.from('{"n":1}').toString('base64'),
        service: 'demo',
        route: '/*',
        clientAddress: '127.0.0.1',
      },
    ])
  })

  it('can check who asks, as it would check a Standard Webhook', async () => {
    const hook = await startHook((_, req, res) => {
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = req.headers
      const { text } = req as unknown as { text: string }
      const mac = createHmac('sha256', 'a secret of the shop, long enough').update(`${id}.${at}.${text}`)
      res.end(JSON.stringify({ msat: signature === `v1,${mac.digest('base64')}` ? 1_500 : -1 }))
    })
    const { ask } = await shop(`price: { hook: "${hook.url}", secretFile: hook.secret }`)
    expect(priceMsat(await ask('/a'))).toBe(1_500)
  })

  it('sells what it was asked about: the body that was priced goes upstream whole, another one does not', async () => {
    const hook = await startHook((_, __, res) => res.end('{"msat":2000}'))
    const { ask, pay, upstream } = await shop(
      `price: { hook: "${hook.url}", body: true }, grants: { valid: 1h }`,
    )
    for (const body of ['short', 'x'.repeat(65_536), `${'y'.repeat(200_000)}z`]) {
      const credential = await pay(await ask('/a', { body }))
      expect((await ask('/a', { body, lines: [credential] })).status).toBe(200)
      expect(upstream.seen.at(-1)?.body).toBe(body)
      expect((await ask('/a', { body: `${body}!`, lines: [credential] })).status).toBe(402)
      expect((await ask('/a', { body: `!${body.slice(1)}`, lines: [credential] })).status).toBe(402)
    }
    expect(upstream.seen).toHaveLength(3)
  })

  it('passes what it says is free, and only that', async () => {
    const hook = await startHook((question, __, res) =>
      res.end(JSON.stringify((question as { path: string }).path === '/gift' ? { free: true } : { msat: 1 })),
    )
    const { ask, upstream } = await shop(`price: { hook: "${hook.url}" }`)
    expect((await ask('/gift')).status).toBe(200)
    expect((await ask('/other')).status).toBe(402)
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/gift'])
  })

  it.each([
    ['{"price":"0 sat"}', 200, 'invalid'],
    ['{"price":"-1 sat"}', 200, 'invalid'],
    ['{"price":"$1"}', 200, 'invalid'],
    ['{"price":5}', 200, 'invalid'],
    ['{"msat":1.5}', 200, 'invalid'],
    ['{"msat":"NaN"}', 200, 'invalid'],
    ['{"msat":0}', 200, 'invalid'],
    ['{"free":false}', 200, 'invalid'],
    ['{"free":true,"msat":5}', 200, 'invalid'],
    ['{"price":"6 sat"}', 200, 'too_high'],
    ['{}', 200, 'invalid'],
    ['null', 200, 'invalid'],
    ['not json', 200, 'down'],
    ['', 200, 'down'],
    [`"${'x'.repeat(100_000)}"`, 200, 'down'],
    ['{"price":"1 sat"}', 201, 'down'],
    ['{"price":"1 sat"}', 302, 'down'],
    ['{"price":"1 sat"}', 500, 'down'],
  ])('that says %.40s with %d is a 503, never free', async (said, status, outcome) => {
    const hook = await startHook((_, __, res) => res.writeHead(status, { location: '/' }).end(said))
    const { ask, events, upstream } = await shop(`price: { hook: "${hook.url}", most: 5 sat }`)
    const answer = await ask('/a')
    expect(answer.status).toBe(503)
    expect(answer.head).toMatch(/^Retry-After: \d+$/m)
    expect(events).toMatchObject([{ outcome, kind: 'hook' }])
    expect(upstream.seen).toEqual([])
  })

  it('that is down, or late, is a 503; what was bought before goes on', async () => {
    let mute = false
    const hook = await startHook((_, __, res) => {
      if (!mute) res.end('{"msat":1000}')
    })
    const { ask, pay, events } = await shop(
      `price: { hook: "${hook.url}", timeout: 1s }, grants: { valid: 1h }`,
    )
    const credential = await pay(await ask('/a'))
    mute = true
    expect((await ask('/a')).status).toBe(503)
    expect((await ask('/a', { lines: [credential] })).status).toBe(200)
    expect(events.map(({ outcome }) => outcome)).toEqual(['priced', 'late'])
    const { ask: askNobody, events: others } = await shop('price: { hook: "http://127.0.0.1:1/" }')
    expect((await askNobody('/a')).status).toBe(503)
    expect(others).toMatchObject([{ outcome: 'down' }])
  })

  it('prices many requests at once, each by its own', async () => {
    const hook = await startHook((question, __, res) => {
      const { query } = question as { query: string }
      res.end(JSON.stringify({ msat: 1_000 * Number(query.slice(3)) }))
    })
    const { ask } = await shop(`price: { hook: "${hook.url}" }`)
    const sizes = Array.from({ length: 60 }, (_, i) => i + 1)
    const answers = await Promise.all(sizes.map((n) => ask(`/a?n=${n}`)))
    expect(answers.map(priceMsat)).toEqual(sizes.map((n) => n * 1_000))
  })
})

describe('a price in fiat money', () => {
  it('takes its rate from a URL, and is a 503 where there is none', async () => {
    const source = await startHook((_, __, res) => res.end('{"data":{"amount":"50000"}}'))
    const rates = (url: string) => `rates: { source: "${url}?c={CUR}", field: data.amount }\n`
    const { ask } = await shop('price: "$0.02"', { top: rates(source.url) })
    expect(priceMsat(await ask('/a'))).toBe(40_000)
    const none = await shop('price: "$0.02"', { top: rates('http://127.0.0.1:1/') })
    expect((await none.ask('/a')).status).toBe(503)
    expect(none.warnings[0]).toContain('rates: 127.0.0.1:1: ')
    expect(none.events).toMatchObject([{ outcome: 'stale' }])
  })
})

type Call = { readonly method: string; readonly request: Record<string, unknown> }
type Said = Record<string, unknown> | Error | 'nothing'

/** A price server over real gRPC. */
async function startPrices(answers: (method: string, request: Record<string, unknown>) => Said) {
  const calls: Call[] = []
  const handlers = Object.fromEntries(
    Object.keys(pricesService()).map((method): [string, UntypedHandleCall] => [
      method,
      (call: { request: Record<string, unknown> }, callback: sendUnaryData<unknown>) => {
        calls.push({ method, request: call.request })
        const said = answers(method, call.request)
        if (said === 'nothing') return
        if (said instanceof Error) callback(said)
        else callback(null, said)
      },
    ]),
  )
  const server = new Server()
  server.addService(pricesService(), handlers)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  cleanups.push(() => server.forceShutdown())
  const named = (method: string) => calls.filter((call) => call.method === method).map((call) => call.request)
  return { address: `127.0.0.1:${port}`, calls, named, stop: () => server.forceShutdown() }
}

describe('a price server over gRPC', () => {
  it('is told the path and the request as text, without credentials, and says satoshis', async () => {
    const prices = await startPrices(() => ({ priceSats: 30 }))
    const { ask } = await shop(`price: { grpc: "${prices.address}", headers: [X-Model], body: true }`)
    const lines = ['X-Model: big', 'Authorization: LSAT garbage', 'Cookie: s3cret']
    const answer = await ask('/v1/x?y=1', { lines, body: 'hello' })
    expect(answer.status).toBe(402)
    expect(priceMsat(answer)).toBe(30_000)
    expect(prices.calls).toEqual([
      {
        method: 'GetPrice',
        request: { path: '/v1/x', httpRequestText: 'POST /v1/x?y=1 HTTP/1.1\r\nx-model: big\r\n\r\nhello' },
      },
    ])
  })

  it('is shown no more than 64 KiB of a body', async () => {
    const prices = await startPrices(() => ({ priceSats: 1 }))
    const { ask } = await shop(`price: { grpc: "${prices.address}", body: true }`)
    expect((await ask('/', { body: 'é'.repeat(200_000) })).status).toBe(402)
    const text = String(prices.calls[0]?.request['httpRequestText'])
    expect(text).toHaveLength('POST / HTTP/1.1\r\n\r\n'.length + 65_536)
  })

  it('sells a path where it binds to one', async () => {
    const prices = await startPrices(() => ({ priceSats: 1 }))
    const { ask, pay } = await shop(
      `price: { grpc: "${prices.address}", binds: path }, grants: { valid: 1h }`,
    )
    const lines = [await pay(await ask('/cheap'))]
    expect((await ask('/cheap?other=1', { lines })).status).toBe(200)
    expect((await ask('/dear', { lines })).status).toBe(402)
  })

  it('has a price of nothing only where the route says so', async () => {
    const prices = await startPrices(() => ({}))
    const { ask } = await shop(`price: { grpc: "${prices.address}" }`)
    expect((await ask('/')).status).toBe(503)
    const free = await shop(`price: { grpc: "${prices.address}", zeroIsFree: true }`)
    expect((await free.ask('/')).status).toBe(200)
  })

  it.each<[string, Said, string]>([
    ['fails', new Error('internal'), 'down'],
    ['never answers', 'nothing', 'late'],
    ['says less than nothing', { priceSats: -5 }, 'invalid'],
    ['says too much', { priceSats: 1_000_000 }, 'too_high'],
  ])('that %s is a 503, never free', async (_, said, outcome) => {
    const prices = await startPrices(() => said)
    const { ask, events, upstream } = await shop(
      `price: { grpc: "${prices.address}", most: 1 ksat, timeout: 1s }`,
    )
    expect((await ask('/')).status).toBe(503)
    // Its own deadline may come a moment before the gate's.
    expect(outcome === 'late' ? ['late', 'down'] : [outcome]).toContain(events[0]?.outcome)
    expect(upstream.seen).toEqual([])
  })
})

describe('a metered price server', () => {
  const usageBody = JSON.stringify({ usage: { total_tokens: 42 } })

  function balances() {
    const state = { allowed: true, priceSats: 0, reports: 'ok' as 'ok' | 'down' }
    const answers = (method: string): Said => {
      if (method === 'GetPrice') return { priceSats: 100 }
      if (method === 'AuthorizeRequest')
        return state.allowed
          ? { allowed: true, reservedEstimate: 7 }
          : { allowed: false, priceSats: state.priceSats }
      if (method === 'ReportUsage' && state.reports === 'down') return new Error('unavailable')
      return {}
    }
    return { state, answers }
  }

  it('is told what was minted, asked before every paid request, and told how it ended', async () => {
    const { answers } = balances()
    const prices = await startPrices(answers)
    const upstream = await startUpstream((req, res) => {
      req.resume()
      res.setHeader('Content-Type', 'application/json')
      res.end(`${' '.repeat(100_000)}${usageBody}`)
    })
    const { ask, pay } = await shop(`price: { grpc: "${prices.address}", metered: true, usageTail: 64 B }`, {
      upstream,
    })
    const challenge = await ask('/chat', { lines: ['X-A: b'] })
    expect(priceMsat(challenge)).toBe(100_000)
    const [minted] = prices.named('ChallengeMinted')
    expect(minted).toMatchObject({ path: '/chat', priceSats: '100', serviceName: 'demo' })
    expect(minted?.['httpRequestText']).toContain('X-A: b\r\n')
    const lines = [await pay(challenge), 'Accept-Encoding: gzip']
    for (let i = 0; i < 3; i++) expect((await ask('/chat', { lines })).status).toBe(200)
    expect(prices.named('AuthorizeRequest')).toHaveLength(3)
    expect(JSON.stringify(prices.calls)).not.toMatch(/L402 /)
    await vi.waitFor(() => expect(prices.named('ReportUsage')).toHaveLength(3))
    const [usage] = prices.named('ReportUsage')
    expect(usage).toMatchObject({
      tokenId: minted?.['tokenId'],
      path: '/chat',
      serviceName: 'demo',
      httpStatus: 200,
      contentType: 'application/json',
      complete: true,
      reservedEstimate: '7',
    })
    const tail = usage?.['responseTail'] as Buffer
    expect(tail).toHaveLength(64)
    expect(tail.toString()).toContain(usageBody)
    expect(upstream.seen[0]?.rawHeaders.join('\n')).toContain('Accept-Encoding\nidentity')
  })

  it('that refuses gets a fresh challenge out, at its price, for a token of its own', async () => {
    const { state, answers } = balances()
    const prices = await startPrices(answers)
    const { ask, pay, upstream } = await shop(
      `price: { grpc: "${prices.address}", metered: true, most: 1 ksat }`,
    )
    const lines = [await pay(await ask('/chat'))]
    state.allowed = false
    state.priceSats = 250
    const dearer = await ask('/chat', { lines })
    expect(dearer.status).toBe(402)
    expect(JSON.parse(dearer.body)).toMatchObject({ code: 'exhausted', priceMsat: 250_000 })
    const [first, second] = prices.named('ChallengeMinted')
    expect(second).toMatchObject({ priceSats: '250' })
    expect(second?.['tokenId']).not.toBe(first?.['tokenId'])
    state.priceSats = 0
    expect(priceMsat(await ask('/chat', { lines }))).toBe(100_000)
    state.priceSats = 5_000
    expect((await ask('/chat', { lines })).status).toBe(503)
    expect(upstream.seen).toEqual([])
  })

  it('is not asked about garbage: 402, not 500', async () => {
    const prices = await startPrices(balances().answers)
    const { ask } = await shop(`price: { grpc: "${prices.address}", metered: true }`)
    for (const value of ['L402 garbage', 'LSAT AAAA:00', `L402 AgEE:${'0'.repeat(64)}`])
      expect((await ask('/chat', { lines: [`Authorization: ${value}`] })).status).toBe(402)
    expect(prices.named('AuthorizeRequest')).toEqual([])
  })

  it('that is down lets nothing through, paid for or not', async () => {
    const prices = await startPrices(balances().answers)
    const { ask, pay, upstream } = await shop(
      `price: { grpc: "${prices.address}", metered: true, timeout: 1s }`,
    )
    const lines = [await pay(await ask('/chat'))]
    prices.stop()
    expect((await ask('/chat', { lines })).status).toBe(503)
    expect((await ask('/chat')).status).toBe(503)
    expect(upstream.seen).toEqual([])
  })

  it('gets its reports late rather than never, and the end of answers that failed', async () => {
    const { state, answers } = balances()
    const prices = await startPrices(answers)
    const upstream = await startUpstream((req, res) => {
      req.resume()
      res.writeHead(500).end('broken')
    })
    const { ask, pay, pricers, warnings } = await shop(
      `price: { grpc: "${prices.address}", metered: true }`,
      { upstream },
    )
    const lines = [await pay(await ask('/chat'))]
    state.reports = 'down'
    expect((await ask('/chat', { lines })).status).toBe(500)
    await vi.waitFor(() => expect(prices.named('ReportUsage').length).toBeGreaterThan(1))
    state.reports = 'ok'
    await pricers.close()
    expect(prices.named('ReportUsage').at(-1)).toMatchObject({ httpStatus: 500, complete: false })
    expect(warnings).toEqual([])
  })
})
