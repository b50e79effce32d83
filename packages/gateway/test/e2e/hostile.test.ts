import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, open, readAll, readUntil, sendRaw, statusesIn } from './client.ts'
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

const CLOSE = 'Host: a\r\nConnection: close\r\n'
const request = (target: string, lines = CLOSE, method = 'GET', version = 'HTTP/1.1'): string =>
  `${method} ${target} ${version}\r\n${lines}\r\n`

/** What the upstream saw is what a free route matched, whatever was sent. */
function expectOnlyFree(): void {
  for (const { url } of upstream.seen) expect(url).toMatch(/^\/free\//)
  expect(upstream.bytes()).not.toMatch(/paid|pass\/|smuggled/i)
}

// A generous upstream would find the paid prefix in each of these.
const spellings: readonly (readonly [string, readonly number[]])[] = [
  ...[
    '/free/../paid/x',
    '/free/%2e%2e/paid/x',
    '/free/.%2E/paid/x',
    '//paid/x',
    '/paid//x',
    '/./paid/x',
    '/%70aid/x',
    '/%50aid/../paid/x',
    '/free/../../../../paid/x',
    '/free//../paid/x',
    '/free/x/../../paid/x?/free/',
    '/paid/x?../free/x',
    '/paid/x;/free/x',
    '/paid/',
    '/paid/.',
    '/paid/x/..',
    'http://a/paid/x',
    'HTTP://A:80/free/../paid/x',
    'https://a/paid/x',
  ].map((target) => [target, [402]] as const),
  ...[
    '/free/..%2fpaid/x',
    '/free%2f..%2fpaid/x',
    '/free/%2e%2e%2fpaid/x',
    '/free/..%5cpaid/x',
    '/free/..\\paid/x',
    '/free\\..\\paid/x',
    '/free/..;/paid/x',
    '/free/..;x=y/paid/x',
    '/free/%2e%2e;/paid/x',
    '/free/;/../paid/x',
    '/free/..%00/paid/x',
    '/free/x%00/../../paid/x',
    '/free/\x00/../paid/x',
    '/free/%252e%252e/paid/x',
    '/free/..%252fpaid/x',
    '/free/%c0%ae%c0%ae/paid/x',
    '/free/%e0%80%ae%e0%80%ae/paid/x',
    '/free/..%c0%afpaid/x',
    '/free/%u002e%u002e/paid/x',
    '/free/%/../paid/x',
    '/free/#/../../paid/x',
    '/free/x#?/../../paid/x',
    '/free/x%0d%0aX-L402-Token-Id:%20a/../../paid/x',
    '/free/..\t/paid/x',
    '/free/..\xa0/paid/x',
    'http://b/free/x',
    'http://b/paid/x',
    'http://a@b/free/x',
    'http://a:x@b/paid/x',
    'http:///paid/x',
    'http:/paid/x',
    'ftp://a/paid/x',
    'a:80',
    '*',
    'paid/x',
    '?/paid/x',
  ].map((target) => [target, [400]] as const),
  ...['/PAID/x', '/Free/x', '/paidx', '/paid%3f/x', '/', '/free', '/pai%64%20/x'].map(
    (target) => [target, [404]] as const,
  ),
]

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

  it.each([
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'X_HTTP_Method_Override',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Original-Method',
  ])('%s does not reach the upstream', async (name) => {
    const { statuses } = await sendRaw(
      gateway.port,
      request('/free/x', `${name}: /paid/smuggled\r\n${CLOSE}`),
    )
    expect(statuses).toEqual([200])
    expectOnlyFree()
  })

  it('what the gateway says of who paid, and for whom it asks, cannot be forged', async () => {
    const forged = [
      'X-L402-Token-Id',
      'x-l402-payment-hash',
      'X-L402-Service',
      'X_L402_Token_Id',
      'X-L402-Anything',
    ]
    const addresses = [
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'X-Real-IP',
      'Forwarded',
      'X_Forwarded_For',
      'True-Client-IP',
      'X-Forwarded-Prefix',
    ]
    const lines = [...forged, ...addresses].map((name) => `${name}: smuggled\r\n`).join('')
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

const SMUGGLED = 'GET /paid/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

describe('one framing', () => {
  // What follows is a request to one reader and a body to another.
  const post = (lines: string, body: string): string =>
    `POST /free/x HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`
  const chunked = `0\r\n\r\n${SMUGGLED}`
  it.each<[string, string]>([
    ['both lengths', post(`Content-Length: ${SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\n`, chunked)],
    ['both, the other way round', post(`Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`, `${chunked}`)],
    ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED)],
    ['the same length twice', post('Content-Length: 0\r\nContent-Length: 0\r\n', SMUGGLED)],
    ['a list of lengths', post('Content-Length: 0, 42\r\n', SMUGGLED)],
    ['a signed length', post('Content-Length: +0\r\n', SMUGGLED)],
    ['a negative length', post('Content-Length: -1\r\n', SMUGGLED)],
    ['a hex length', post('Content-Length: 0x0\r\n', SMUGGLED)],
    ['an empty length', post('Content-Length: \r\n', SMUGGLED)],
    ['a length of letters', post('Content-Length: zero\r\n', SMUGGLED)],
    ['a huge length', post('Content-Length: 99999999999999999999\r\n', SMUGGLED)],
    ['a length before a space and a colon', post('Content-Length : 0\r\n', SMUGGLED)],
    ['a coding before a space and a colon', post('Transfer-Encoding : chunked\r\n', chunked)],
    [
      'a length name with an underscore beside a coding',
      post(`Content_Length: 0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n`, chunked),
    ],
    ['identity', post('Transfer-Encoding: identity\r\n', SMUGGLED)],
    ['gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', chunked)],
    ['chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', chunked)],
    ['chunked twice', post('Transfer-Encoding: chunked, chunked\r\n', chunked)],
    ['two coding lines', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunked)],
    ['a coding in quotes', post('Transfer-Encoding: "chunked"\r\n', chunked)],
    ['a coding after a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', chunked)],
    ['xchunked', post('Transfer-Encoding: xchunked\r\n', chunked)],
    ['a folded coding', post('Transfer-Encoding:\r\n chunked\r\n', chunked)],
    ['a folded line', post('X-A: b\r\n c: d\r\nContent-Length: 0\r\n', SMUGGLED)],
    ['a folded line at the start', 'GET /free/x HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['bare line feeds', 'GET /free/x HTTP/1.1\nHost: a\n\n'],
    ['a bare line feed between lines', post('X-A: b\nContent-Length: 0\r\n', SMUGGLED)],
    ['a bare carriage return', post('X-A: b\rContent-Length: 42\r\n', SMUGGLED)],
    ['a carriage return in a value', post(`X-A: b\r\rGET /paid/smuggled HTTP/1.1\r\n`, '')],
    ['NUL in a value', post('X-A: b\0c\r\n', '')],
    ['NUL in a name', post('X-\0A: b\r\n', '')],
    ['a name with a space', post('X A: b\r\n', '')],
    ['a line without a colon', post('X-A\r\n', '')],
    ['an empty name', post(': b\r\n', '')],
    ['no Host', 'GET /free/x HTTP/1.1\r\n\r\n'],
    ['two Host lines', 'GET /free/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['two equal Host lines', 'GET /free/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    ['a Host of a path', 'GET /free/x HTTP/1.1\r\nHost: a/../paid\r\n\r\n'],
    ['a Host with a user', 'GET /free/x HTTP/1.1\r\nHost: a@b\r\n\r\n'],
    ['a Host with a space', 'GET /free/x HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a Host with a port of letters', 'GET /free/x HTTP/1.1\r\nHost: a:x\r\n\r\n'],
    ['an empty Host', 'GET /free/x HTTP/1.1\r\nHost:\r\n\r\n'],
    [
      'HTTP/1.0 with a coding',
      'POST /free/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['HTTP/0.9', 'GET /free/x\r\n\r\n'],
    ['HTTP/2.0', 'GET /free/x HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['HTTP/1.2', 'GET /free/x HTTP/1.2\r\nHost: a\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another protocol', 'GET /free/x HTCPCP/1.0\r\nHost: a\r\n\r\n'],
    ['a lower-case protocol', 'GET /free/x http/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /free/x /paid/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a tab for a space', 'GET\t/free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(300, '\x41')],
    ['a method of nonsense', '\x01\x02\x03 /free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('%s: one refusal, and the connection closes', async (_, bytes) => {
    const { statuses } = await sendRaw(gateway.port, bytes)
    expect(statuses).toHaveLength(1)
    expect([400, 405, 431, 505]).toContain(statuses[0])
    expect(upstream.bytes()).toBe('')
  })

  it.each<[string, string]>([
    ['a chunk size of letters', 'zz\r\n'],
    ['a negative chunk size', '-1\r\n'],
    ['a chunk size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['an endless chunk size', `${'f'.repeat(40)}\r\n`],
    ['a chunk longer than said', '1\r\nab\r\n0\r\n\r\n'],
    ['a chunk that ends in a bare line feed', '5\r\nhello\n0\r\n\r\n'],
    ['a chunk size that ends in a bare line feed', '5\nhello\r\n0\r\n\r\n'],
    ['a space before the chunk size', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['a chunk extension with a bare line feed', `5;x\n${SMUGGLED}\r\n0\r\n\r\n`],
    ['a bare carriage return in an extension', `5;x\rGET /paid/smuggled HTTP/1.1\r\nhello\r\n0\r\n\r\n`],
    ['very long chunk extensions', `5;${'x'.repeat(40_000)}\r\nhello\r\n0\r\n\r\n`],
  ])('%s never becomes a whole request', async (_, body) => {
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
