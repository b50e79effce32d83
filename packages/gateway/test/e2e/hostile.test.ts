import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, open, readAll, readUntil, sendRaw, statusesIn } from './client.ts'
import {
  badChunks,
  CLOSE,
  forgedAddresses,
  forgedIdentities,
  framings,
  overrides,
  request,
  spellings,
} from './hostile-requests.ts'
import { type Bought, buy, cleanUp, configOf, folderWith, type Program, serve } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Program
let pass: Bought
beforeAll(async () => {
  upstream = await startUpstream((req, res) => {
    req.on('end', () => res.end('{"ok":true}'))
  })
  gateway = await serve(folderWith(configOf({ upstream: upstream.origin })))
  pass = await buy(gateway, '/pass/x')
})
beforeEach(() => upstream.forget())
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

const SMUGGLED = 'GET /paid/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

/** What the upstream saw is what a free route matched, whatever was sent. */
function expectOnlyFree(): void {
  for (const { url } of upstream.seen) expect(url).toMatch(/^\/free\//)
  expect(upstream.bytes()).not.toMatch(/paid|pass\/|smuggled/i)
}

describe('from the free prefix towards the paid one', () => {
  it.each(spellings)('%j is answered %j and goes nowhere', async (target, statuses) => {
    const { statuses: got } = await sendRaw(gateway.port, request(target))
    expect(got).toEqual(statuses)
    expect(upstream.bytes()).toBe('')
  })

  it.each(['TRACE', 'CONNECT'])('%s is 405', async (method) => {
    for (const target of ['/free/x', '/paid/x', 'a:80']) {
      const { statuses } = await sendRaw(gateway.port, request(target, CLOSE, method))
      expect([[405], [400]]).toContainEqual(statuses)
    }
    expect(upstream.bytes()).toBe('')
  })

  it.each(overrides)('%s does not reach the upstream', async (name) => {
    const { statuses } = await sendRaw(
      gateway.port,
      request('/free/x', `${name}: /paid/smuggled\r\n${CLOSE}`),
    )
    expect(statuses).toEqual([200])
    expectOnlyFree()
  })

  it('what the gateway says of who paid, and for whom it asks, cannot be forged', async () => {
    const lines = [...forgedIdentities, ...forgedAddresses].map((name) => `${name}: smuggled\r\n`).join('')
    const hidden = 'Connection: close, X-L402-Token-Id, X-Forwarded-For, Host\r\n'
    const { statuses } = await sendRaw(
      gateway.port,
      request('/pass/x', `Host: a\r\n${hidden}${lines}Authorization: ${pass.authorization}\r\n`),
    )
    expect(statuses).toEqual([200])
    expect(upstream.bytes()).not.toContain('smuggled')
    expect(upstream.seen[0]?.headers).toMatchObject({
      'x-l402-token-id': pass.tokenId,
      'x-l402-payment-hash': pass.paymentHash,
      'x-l402-service': 'demo',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    })
    upstream.forget()
    expect(
      (await sendRaw(gateway.port, request('/free/x', `${hidden}Host: a\r\n${lines}`))).statuses,
    ).toEqual([200])
    expect(upstream.bytes()).not.toMatch(/smuggled|l402/i)
  })

  it('Connection cannot take the credential away from the gate, nor hide it from being removed', async () => {
    for (const names of ['Authorization', 'authorization, close', 'Macaroon']) {
      const lines = `Host: a\r\nConnection: close, ${names}\r\nAuthorization: ${pass.authorization}\r\n`
      expect((await sendRaw(gateway.port, request('/pass/x', lines))).statuses).toEqual([200])
    }
    expect(upstream.bytes()).not.toContain(pass.preimage)
  })
})

describe('one framing', () => {
  it.each(framings(SMUGGLED))('%s: one refusal, and the connection closes', async (_, bytes) => {
    const { statuses } = await sendRaw(gateway.port, bytes)
    expect(statuses).toHaveLength(1)
    expect([400, 405, 431, 505]).toContain(statuses[0])
    expect(upstream.bytes()).toBe('')
  })

  it.each(badChunks(SMUGGLED))('%s never becomes a whole request', async (_, body) => {
    const { statuses } = await sendRaw(
      gateway.port,
      `POST /free/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}${SMUGGLED}`,
    )
    expect(statuses.length).toBeLessThanOrEqual(1)
    for (const status of statuses) expect([400, 413]).toContain(status)
    // It may have begun upstream; it has not ended there.
    expect(upstream.bytes()).not.toContain('\r\n0\r\n\r\n')
    expect(upstream.bytes()).not.toMatch(/GET \/paid/)
  })

  it('a Transfer-Encoding in any case, and chunks with extensions and trailers, are one body', async () => {
    const { statuses } = await sendRaw(
      gateway.port,
      `POST /free/x HTTP/1.1\r\n${CLOSE}tRANSFER-eNCODING: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-L402-Token-Id: smuggled\r\nHost: smuggled\r\n\r\n`,
    )
    expect(statuses).toEqual([200])
    expect(upstream.seen.map(({ body }) => body)).toEqual(['hello'])
    expectOnlyFree()
  })

  it('a body that looks like a request stays a body, on this connection and the upstream’s', async () => {
    const socket = open(gateway.port)
    const length = `Content-Length: ${SMUGGLED.length}\r\n`
    socket.write(`POST /free/x HTTP/1.1\r\nHost: a\r\n${length}\r\n${SMUGGLED}${request('/free/y')}`)
    expect(statusesIn(await readAll(socket))).toEqual([200, 200])
    // Two connections carry them, so that either may come first.
    expect(upstream.seen).toHaveLength(2)
    expect(upstream.seen.find(({ url }) => url === '/free/x')?.body).toBe(SMUGGLED)
    expect(upstream.seen.find(({ url }) => url === '/free/y')?.body).toBe('')
  })

  it('a refused request’s body is not read as a request', async () => {
    const socket = open(gateway.port)
    const body = request('/free/smuggled')
    socket.write(
      `POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}${request('/free/y')}`,
    )
    expect(statusesIn(await readAll(socket))).toEqual([402, 200])
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/free/y'])
  })
})

describe('a connection', () => {
  const keep = (target: string, lines = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

  it('with pipelined requests: each is gated on its own, in its order', async () => {
    const bytes = [
      keep('/free/1'),
      keep('/paid/x'),
      keep('/pass/x', `Authorization: ${pass.authorization}\r\n`),
      keep('/pass/x'),
      keep('/free/2'),
      request('/paid/y'),
    ]
    const { statuses } = await sendRaw(gateway.port, bytes.join(''))
    expect(statuses).toEqual([200, 402, 200, 402, 200, 402])
    expect(upstream.seen.map(({ url }) => url).sort()).toEqual(['/free/1', '/free/2', '/pass/x'])
  })

  it('with a thousand pipelined requests', async () => {
    const bytes = Array.from({ length: 1000 }, (_, i) => keep(i % 2 === 0 ? '/free/x' : '/paid/x')).join('')
    const { statuses } = await sendRaw(gateway.port, bytes + request('/free/last'))
    expect(statuses).toHaveLength(1001)
    expect(statuses.filter((status) => status === 402)).toHaveLength(500)
    expectOnlyFree()
  })

  it('that expects 100 Continue gets it only for what passes', async () => {
    const lines = 'Content-Length: 5\r\nExpect: 100-continue\r\n'
    const refused = open(gateway.port)
    refused.write(`POST /paid/x HTTP/1.1\r\nHost: a\r\n${lines}\r\n`)
    expect(await readAll(refused)).toMatch(/^HTTP\/1\.1 402 /)
    expect(upstream.bytes()).toBe('')
    const passed = open(gateway.port)
    passed.write(`POST /free/x HTTP/1.1\r\n${CLOSE}${lines}\r\n`)
    await readUntil(passed, /^HTTP\/1\.1 100 Continue\r\n\r\n/)
    passed.write('hello')
    expect(statusesIn(await readAll(passed))).toEqual([200])
    expect(upstream.seen.map(({ body }) => body)).toEqual(['hello'])
    const odd = await sendRaw(gateway.port, request('/free/x', `Expect: 200-ok\r\n${CLOSE}`))
    expect(odd.statuses).toEqual([417])
  })

  it('with huge headers, many headers or a huge target is refused below 500', async () => {
    for (const lines of [
      `X-A: ${'a'.repeat(100_000)}\r\n`,
      Array.from({ length: 10_000 }, (_, i) => `X-${i}: b\r\n`).join(''),
    ]) {
      expect((await sendRaw(gateway.port, request('/free/x', CLOSE + lines))).statuses).toEqual([431])
    }
    const [status] = (await sendRaw(gateway.port, request(`/free/${'a'.repeat(100_000)}`))).statuses
    expect([414, 431]).toContain(status)
    expect(upstream.bytes()).toBe('')
  })

  it('that trickles its header lines does not keep others from being served', async () => {
    const slow = Array.from({ length: 300 }, () => open(gateway.port))
    for (const socket of slow) socket.write('GET /free/x HTTP/1.1\r\nHost: a\r\nX-A: ')
    for (let i = 0; i < 20; i++) {
      for (const socket of slow) socket.write('a')
      expect((await ask(gateway.url, 'GET', '/free/x')).status).toBe(200)
    }
    for (const socket of slow) socket.destroy()
    expect(upstream.seen).toHaveLength(20)
  })

  it('that trickles its body does not keep others from being served', async () => {
    const slow = Array.from({ length: 300 }, () => open(gateway.port))
    for (const socket of slow)
      socket.write('POST /free/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n')
    for (let i = 0; i < 10; i++) {
      for (const socket of slow) socket.write('a')
      expect((await ask(gateway.url, 'GET', '/free/x')).status).toBe(200)
    }
    for (const socket of slow) socket.destroy()
  })
})

describe('mutated requests', () => {
  it('are answered below 500 or not at all, and never open a paid route', async () => {
    const seeds = [
      request('/free/../paid/x'),
      request('/paid/x', `Authorization: L402 ${'A'.repeat(80)}:${'0'.repeat(64)}\r\n${CLOSE}`),
      `POST /paid/x HTTP/1.1\r\n${CLOSE}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      `POST /paid/x HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ]
    const mutation = fc.record({
      seed: fc.constantFrom(...seeds),
      edits: fc.array(
        fc.record({
          at: fc.double({ min: 0, max: 1, noNaN: true }),
          cut: fc.nat(6),
          put: fc.oneof(
            fc.string({ maxLength: 4, unit: 'binary-ascii' }),
            fc.constantFrom(
              '\r\n',
              '\n',
              ' ',
              '\t',
              '%2e',
              '%2f',
              '/',
              '..',
              '\\',
              ':',
              ',',
              ';',
              '\0',
              '\r\n\r\n',
              '\xff',
            ),
          ),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ seed, edits }) => {
        let bytes = seed
        for (const { at, cut, put } of edits) {
          const from = Math.floor(at * bytes.length)
          bytes = bytes.slice(0, from) + put + bytes.slice(from + cut)
        }
        const socket = open(gateway.port)
        socket.end(Buffer.from(bytes, 'latin1'))
        const statuses = statusesIn(await readAll(socket))
        for (const status of statuses) expect(status).toBeLessThan(500)
        expect(upstream.bytes()).not.toMatch(/^[A-Z]+ \/paid/m)
      }),
      { numRuns: 400 },
    )
    expect((await ask(gateway.url, 'GET', '/free/x')).status).toBe(200)
  })
})
