import { encodeBase64, encodeHex, encodeIdentifier, encodeMacaroon, mintMacaroon } from '@turnpike/l402'
import { compileRoutes } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  gateOf,
  get,
  PAYMENT_HASH,
  passGate,
  proxyRoute,
  type RawAnswer,
  request,
  sendRaw,
  startGateway,
  startRawUpstream,
  startUpstream,
  TOKEN_ID,
  tableOf,
} from '../../test/proxy/harness.ts'
import type { ProxyRoute } from './index.ts'

afterEach(closeAll)

/** The header lines the upstream gets, as `Name: value`. */
async function forwarded(
  lines: readonly string[],
  options: { path?: string; route?: Partial<ProxyRoute> } = {},
): Promise<string[]> {
  const upstream = await startUpstream()
  const gateway = await startGateway({ routing: [tableOf(upstream.origin, undefined, options.route)] })
  const answer = await get(gateway.port, options.path ?? '/free/x', lines)
  expect(answer.status).toBe(200)
  const raw = upstream.seen[0]?.rawHeaders ?? []
  return raw.flatMap((text, i) => (i % 2 === 0 ? [`${text}: ${raw[i + 1]}`] : []))
}

/** What the client gets when the upstream answers these bytes. */
async function answered(bytes: string, lines: readonly string[] = [], path = '/free/x'): Promise<RawAnswer> {
  const upstream = await startRawUpstream((socket) => {
    socket.once('data', () => socket.end(bytes, 'latin1'))
  })
  const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
  return get(gateway.port, path, lines)
}

describe('towards the upstream', () => {
  it('header lines keep their order, case and number', async () => {
    const lines = [
      'x-B: 1',
      'X-a: 2',
      'Cookie: a=1',
      'x-b: 3',
      'Accept: */*',
      'COOKIE: b=2',
      'X-Latin: caf\xe9',
    ]
    const got = await forwarded(lines)
    expect(got.filter((line) => lines.includes(line))).toEqual(lines)
  })

  it('lines for one connection stay behind, and so do those that Connection names', async () => {
    const got = await forwarded([
      ...[
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic eA==',
        'Upgrade: h2c',
      ],
      ...[
        'HTTP2-Settings: AAMA',
        'Trailer: X-T',
        'Connection: x-hop, Upgrade,X-HOP-2',
        'X-Hop: 1',
        'x-hop-2: 1',
      ],
      ...['TE: gzip, trailers', 'X-End: 1'],
    ])
    const names = got.map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
    for (const name of [
      'keep-alive',
      'proxy-connection',
      'proxy-authorization',
      'upgrade',
      'http2-settings',
    ]) {
      expect(names).not.toContain(name)
    }
    for (const name of ['trailer', 'x-hop', 'x-hop-2']) expect(names).not.toContain(name)
    expect(got).toContain('TE: trailers')
    expect(got).toContain('X-End: 1')
    expect(await forwarded(['TE: gzip'])).not.toContain('TE: gzip')
  })

  it('credentials stay behind, other authorization passes', async () => {
    const identifier = encodeIdentifier({ paymentHash: new Uint8Array(32), tokenId: new Uint8Array(32) })
    const macaroon = encodeMacaroon(mintMacaroon({ rootKey: new Uint8Array(32), identifier }))
    const hex = encodeHex(macaroon)
    const text = `${encodeBase64(macaroon)}:${'00'.repeat(32)}`
    const credentials = [
      ...[`Authorization: L402 ${text}`, `authorization: LSAT ${text}`, `Authorization: ${text}`],
      ...[
        `Macaroon: ${hex}`,
        `Grpc-Metadata-Macaroon: ${hex}`,
        `TOKEN: ${hex}`,
        'Authorization: L402 malformed',
      ],
    ]
    const others = ['Authorization: Basic dTpw', 'Token: abc', 'X-Macaroon: abc']
    const got = await forwarded([...credentials, ...others])
    expect(got.filter((line) => credentials.includes(line))).toEqual([])
    expect(got.filter((line) => others.includes(line))).toEqual(others)
    const kept = await forwarded(credentials, { route: { forwardCredential: true } })
    expect(kept.filter((line) => credentials.includes(line))).toEqual(credentials)
  })

  it('headers that make some upstreams see another request stay behind, unless the route keeps them', async () => {
    const lines = [
      ...['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'x-method-override: DELETE'],
      ...[
        'X-Original-URL: /paid/x',
        'X-Rewrite-Url: /paid/x',
        'X-Original-Method: DELETE',
        'X_Original_URL: /paid/x',
      ],
    ]
    expect((await forwarded(lines)).join('\n')).not.toMatch(/DELETE|paid/)
    const kept = await forwarded(lines, { route: { keepOverrideHeaders: true } })
    for (const line of lines) expect(kept).toContain(line)
  })

  it('what only the gateway may say is never taken from outside', async () => {
    const lines = [
      ...[
        'X-L402-Token-Id: forged',
        'x-l402-service: forged',
        'X-L402-Anything: forged',
        'X_L402_Token_Id: forged',
      ],
      ...[
        'X-Forwarded-For: forged',
        'X-Forwarded-Port: forged',
        'Forwarded: for=forged',
        'X_Forwarded_For: forged',
      ],
      ...[
        'X-Real-IP: forged',
        'True-Client-IP: forged',
        'CF-Connecting-IP: forged',
        'x-FORWARDED-host: forged',
      ],
    ]
    const got = await forwarded(lines)
    expect(got.join('\n')).not.toContain('forged')
    expect(got.join('\n')).not.toMatch(/x-l402/i)
    expect(got).toContain('X-Forwarded-For: 127.0.0.1')
    expect(got).toContain('X-Forwarded-Proto: http')
    expect(got).toContain('X-Forwarded-Host: gateway.test')
    expect(got).toContain('Forwarded: for=127.0.0.1;host="gateway.test";proto=http')
  })

  it('the upstream sees its own name as Host, and who paid', async () => {
    const got = await forwarded(['Connection: x-l402-token-id, x-l402-service, x-forwarded-for, host, te'], {
      path: '/paid/x',
    })
    expect(got.filter((line) => /^host:/i.test(line))).toEqual([
      expect.stringMatching(/^host: 127\.0\.0\.1:\d+$/i),
    ])
    expect(got).toContain(`X-L402-Token-Id: ${TOKEN_ID}`)
    expect(got).toContain('X-L402-Service: demo')
    expect(got).toContain(`X-L402-Payment-Hash: ${PAYMENT_HASH}`)
    expect(got).toContain('X-Forwarded-For: 127.0.0.1')
  })

  it('Connection cannot take the length from a body', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const lines =
      'Host: a\r\nConnection: close, content-length, transfer-encoding\r\nContent-Length: 2\r\n\r\nhi'
    expect((await sendRaw(gateway.port, `POST /free/x HTTP/1.1\r\n${lines}`)).status).toBe(200)
    expect(upstream.seen.map(({ body }) => body)).toEqual(['hi'])
  })

  it('the path of the upstream address comes first', async () => {
    const upstream = await startUpstream()
    const route = proxyRoute(upstream.origin, '/free/*', {
      upstream: { origin: upstream.origin, basePath: '/base/v1' },
    })
    const gateway = await startGateway({
      routing: [{ routes: compileRoutes([{ match: '/free/*', value: route }]) }],
    })
    await get(gateway.port, '/free/../free/x?q')
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/base/v1/free/x?q'])
  })
})

describe('towards the client', () => {
  it('header lines keep their order, case, number and bytes', async () => {
    const { head, status } = await answered(
      'HTTP/1.1 299 Quite OK\r\nx-B: 1\r\nSet-Cookie: a=1\r\nX-a: caf\xe9\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n',
    )
    expect(status).toBe(299)
    expect(head).toMatch(
      /^HTTP\/1\.1 299 Quite OK\r\nx-B: 1\r\nSet-Cookie: a=1\r\nX-a: caf\xe9\r\nset-cookie: b=2\r\n/,
    )
  })

  it('lines for one connection stay behind', async () => {
    const { head } = await answered(
      'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nProxy-Authenticate: a\r\nUpgrade: h2c\r\nTrailer: a\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n',
    )
    expect(head).not.toMatch(/x-hop|timeout=9|proxy-|upgrade|trailer/i)
    expect(head).toContain('X-End: 1')
  })

  it('what is left of a credential is said, only to who paid', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'
    expect((await answered(bytes, [], '/paid/x')).head).toContain('RateLimit: "calls";r=4')
    expect((await answered(bytes)).head).not.toContain('RateLimit')
  })

  it.each([
    ['HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 204],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n', 304],
  ])('%j has no body', async (bytes, status) => {
    const answer = await answered(bytes)
    expect(answer).toMatchObject({ status, body: '' })
    expect(answer.head).not.toMatch(/transfer-encoding|Link/i)
    if (status === 204) expect(answer.head).not.toMatch(/content-length/i)
  })

  it('early hints go before the answer, and only the links of them', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX-Other: 1\r\n\r\n'
    const { status, head, body } = await answered(`${hints}HTTP/1.1 204 No Content\r\n\r\n`)
    expect(status).toBe(103)
    expect(head).toBe('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload')
    expect(body).toMatch(/^HTTP\/1.1 204 No Content\r\n/)
    expect(body).not.toMatch(/Link|X-Other/)
  })

  it('an answer that ends with its connection is whole', async () => {
    const { head, body } = await answered('HTTP/1.1 200 OK\r\n\r\nuntil the end')
    expect(head).toMatch(/Transfer-Encoding: chunked/i)
    expect(body).toBe('d\r\nuntil the end\r\n0\r\n\r\n')
  })

  it('trailers follow a chunked answer', async () => {
    const { body } = await answered(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n',
    )
    expect(body).toBe('2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n')
  })

  it('a reason phrase that HTTP/1.1 could not carry on is left out', async () => {
    const { head } = await answered('HTTP/1.1 200 \xff\xfe\xe2\x82\xac\r\nContent-Length: 0\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 ?\r\n/)
  })
})

describe('across origins', () => {
  const preflight = (port: number, target: string, method: string): Promise<RawAnswer> =>
    sendRaw(
      port,
      request('OPTIONS', target, [
        ...['Origin: https://app.test', `Access-Control-Request-Method: ${method}`],
        'Access-Control-Request-Headers: authorization, content-type, bad name, x-own',
      ]),
    )

  it('preflights are answered here, never charged and never passed on (S8)', async () => {
    const upstream = await startUpstream()
    const routing = [tableOf(upstream.origin, ['GET,POST /paid/*', 'GET /free/*'])]
    const gateway = await startGateway({
      routing,
      gate: gateOf(() => expect.unreachable()),
    })
    const allowed = await preflight(gateway.port, '/paid/x', 'POST')
    expect(allowed).toMatchObject({ status: 204, body: '' })
    expect(allowed.head).toMatch(/^Access-Control-Allow-Origin: \*$/m)
    expect(allowed.head).toMatch(/^Access-Control-Allow-Methods: GET, POST, HEAD, OPTIONS$/m)
    expect(allowed.head).toMatch(/^Access-Control-Allow-Headers: Authorization, content-type, x-own$/m)
    expect((await preflight(gateway.port, '/free/x', 'POST')).head).not.toContain('Access-Control')
    expect((await preflight(gateway.port, '/nowhere', 'GET')).status).toBe(404)
    const plain = await sendRaw(gateway.port, request('OPTIONS', '/free/x'))
    expect(plain).toMatchObject({ status: 204, head: expect.stringMatching(/^Allow: GET, HEAD, OPTIONS$/m) })
    expect((await sendRaw(gateway.port, request('OPTIONS', '/nowhere'))).status).toBe(404)
    expect((await sendRaw(gateway.port, request('OPTIONS', '/free/..%2fpaid'))).status).toBe(400)
    expect(upstream.seen).toEqual([])
  })

  it('answers can be read, with what a page needs to pay (S5)', async () => {
    const bytes =
      'HTTP/1.1 200 OK\r\nAccess-Control-Expose-Headers: X-Own, RateLimit\r\nContent-Length: 0\r\n\r\n'
    const { head } = await answered(bytes, ['Origin: https://app.test'])
    expect(head).toMatch(/^Access-Control-Allow-Origin: \*$/m)
    expect(head).toMatch(
      /^Access-Control-Expose-Headers: X-Own, RateLimit, WWW-Authenticate, Payment-Receipt, RateLimit-Policy, Retry-After\r$/m,
    )
    const own =
      'HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://app.test\r\nContent-Length: 0\r\n\r\n'
    expect((await answered(own, ['Origin: https://app.test'])).head.match(/allow-origin/gi)?.length).toBe(1)
    expect((await answered(bytes)).head).not.toContain('Allow-Origin')
    expect((await answered(bytes, ['Origin: https://app.test'], '/none')).head).toContain('Allow-Origin: *')
  })
})

describe('TRACE and CONNECT', () => {
  it('are 405 and go nowhere', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin, ['/*'])], gate: passGate() })
    const trace = await sendRaw(gateway.port, request('TRACE', '/'))
    expect(trace.status).toBe(405)
    expect(trace.head).toMatch(/^Allow: GET, HEAD, POST/m)
    expect((await sendRaw(gateway.port, request('CONNECT', 'gateway.test:80'))).status).toBe(405)
    expect(upstream.seen).toEqual([])
  })

  it('an upgrade to anything but a WebSocket is answered as if not asked for', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const ask = (protocol: string): Promise<RawAnswer> =>
      sendRaw(
        gateway.port,
        `GET /free/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`,
      )
    expect((await ask('h2c')).status).toBe(200)
    expect(upstream.seen[0]?.rawHeaders.join(' ')).not.toMatch(/upgrade|h2c/i)
  })
})
