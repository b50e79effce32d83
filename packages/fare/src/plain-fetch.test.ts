import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { CERTIFICATE, PRIVATE_KEY } from '../test/support/certificate.ts'
import { causeText } from './cli/text.ts'
import { UNPACK_BOUNDS } from './net/unpack-bounds.ts'
import { type FetchSettings, plainFetch } from './plain-fetch.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function listen(server: Server | ReturnType<typeof createSecureServer>): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function make(settings: Partial<FetchSettings> = {}): typeof globalThis.fetch {
  const { fetch, close } = plainFetch({ insecure: false, ...settings })
  closers.push(close)
  return fetch
}

const post = (body: string): RequestInit => ({ method: 'POST', body: new TextEncoder().encode(body) })

describe('over HTTP/2', () => {
  it('method, headers and body arrive as over HTTP/1.1', async () => {
    const seen: unknown[] = []
    const server = createSecureServer({ key: PRIVATE_KEY, cert: CERTIFICATE, allowHTTP1: true })
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const { method, httpVersion, headers } = request
      seen.push([httpVersion, method, headers['x-a'], Buffer.concat(chunks).toString()])
      response.end('served')
    })
    const url = `https://127.0.0.1:${await listen(server)}/`
    const headers = { 'x-a': 'one, two' }
    for (const http2 of [true, false]) {
      const response = await make({ http2, insecure: true })(url, { ...post('a=1'), headers })
      expect([response.status, await response.text()]).toEqual([200, 'served'])
    }
    expect(seen).toEqual([
      ['2.0', 'POST', 'one, two', 'a=1'],
      ['1.1', 'POST', 'one, two', 'a=1'],
    ])
    await expect(make({ http2: true })(url, {})).rejects.toThrow()
    closers.unshift(() => server.close())
  })
})

describe('--compressed', () => {
  it.each([
    ['gzip', gzipSync('sunny')],
    ['deflate', deflateSync('sunny')],
    ['br', brotliCompressSync('sunny')],
    ['deflate, gzip', gzipSync(deflateSync('sunny'))],
  ])('takes %s off', async (coding, bytes) => {
    let asked: string | undefined
    const server = createServer((request, response) => {
      asked = request.headers['accept-encoding']
      response.writeHead(200, { 'content-encoding': coding }).end(bytes)
    })
    const url = `http://127.0.0.1:${await listen(server)}/`
    const response = await make({ compressed: true })(url, {})
    expect([await response.text(), response.headers.get('content-encoding')]).toEqual(['sunny', null])
    expect(asked).toBe('gzip, deflate, br')
    const plain = await make()(url, {})
    expect(Buffer.from(await plain.arrayBuffer())).toEqual(bytes)
    expect(asked).toBe(undefined)
  })

  it('leaves what it does not know, and codings upon codings, as they are', async () => {
    let coding = 'lzma'
    const server = createServer((_, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end('bytes'),
    )
    const url = `http://127.0.0.1:${await listen(server)}/`
    for (coding of ['lzma', 'gzip, gzip, gzip']) {
      const response = await make({ compressed: true })(url, {})
      expect([response.headers.get('content-encoding'), await response.text()]).toEqual([coding, 'bytes'])
    }
  })

  const zeros = Buffer.alloc(8 * 1024 * 1024)
  it.each([
    ['gzip', gzipSync(zeros), {}, '--max-unpack-ratio'],
    ['br', brotliCompressSync(zeros), {}, '--max-unpack-ratio'],
    // The inner one is small by then, and what it unpacks to is not.
    ['gzip, gzip', gzipSync(gzipSync(zeros)), {}, '--max-unpack-ratio'],
    ['gzip', gzipSync(randomBytes(3000)), { mostBytes: 2000, mostRatio: 9 }, 'larger than 2000 bytes'],
  ])('unpacks no bomb of %s to its end', async (coding, bytes, bounds, said) => {
    const server = createServer((_, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end(bytes),
    )
    const url = `http://127.0.0.1:${await listen(server)}/`
    const unpackBounds = { ...UNPACK_BOUNDS, ...bounds }
    const response = await make({ compressed: true, unpackBounds })(url, {})
    await expect(response.arrayBuffer()).rejects.toThrow(new RegExp(said))
    const open = { mostBytes: Number.POSITIVE_INFINITY, mostRatio: Number.POSITIVE_INFINITY }
    const whole = await make({ compressed: true, unpackBounds: open })(url, {})
    expect((await whole.arrayBuffer()).byteLength).toBeGreaterThan(2000)
  })

  it('breaks off where the bytes are not what they are said to be', async () => {
    const server = createServer((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip'),
    )
    const response = await make({ compressed: true })(`http://127.0.0.1:${await listen(server)}/`, {})
    await expect(response.text()).rejects.toThrow()
  })
})

describe('a proxy of the environment', () => {
  interface Proxy {
    readonly port: number
    /** CONNECT targets. */
    readonly tunnels: string[]
    /** Requests in absolute form, and the headers that came with them. */
    readonly forwarded: { readonly target: string; readonly headers: IncomingHttpHeaders }[]
    /** `Proxy-Authorization` of either kind. */
    readonly shown: (string | undefined)[]
  }

  /** Leads everything to the server at `upstreamPort`. */
  async function startProxy(upstreamPort: number): Promise<Proxy> {
    const told: Omit<Proxy, 'port'> = { tunnels: [], forwarded: [], shown: [] }
    const proxy = createServer((request, response) => {
      told.forwarded.push({ target: request.url ?? '', headers: request.headers })
      told.shown.push(request.headers['proxy-authorization'])
      const { pathname, search } = new URL(request.url ?? '')
      const { method = '', headers } = request
      const options = {
        host: '127.0.0.1',
        port: upstreamPort,
        path: pathname + search,
        method,
        headers,
        maxHeaderSize: 262_144,
      }
      request.pipe(
        httpRequest(options, (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.rawHeaders)
          answer.pipe(response)
        }),
      )
    })
    proxy.on('connect', (request, socket) => {
      told.tunnels.push(request.url ?? '')
      told.shown.push(request.headers['proxy-authorization'])
      const upstream = connect(upstreamPort, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      for (const end of [upstream, socket]) end.on('error', () => end.destroy())
    })
    return { port: await listen(proxy), ...told }
  }

  it('gets http in absolute form as with curl, but not what NO_PROXY names', async () => {
    const seen: unknown[] = []
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const { host, authorization } = request.headers
      seen.push([request.method, request.url, host, authorization, Buffer.concat(chunks).toString()])
      // As large as challenges may be.
      response.writeHead(402, { 'www-authenticate': `L402 macaroon="${'A'.repeat(100_000)}"` }).end('pay')
    })
    const port = await listen(server)
    const proxy = await startProxy(port)
    const address = `http://user:p%40ss@127.0.0.1:${proxy.port}`
    const url = `http://shop.test:${port}/x?a=1`
    const through = make({ env: { HTTP_PROXY: address } })
    for (let time = 0; time < 2; time++) {
      const headers = { authorization: 'L402 a:b' }
      const answer = await through(url, { ...post('a=1'), headers })
      expect([answer.status, answer.statusText]).toEqual([402, 'Payment Required'])
      expect(await answer.text()).toBe('pay')
    }
    expect(proxy.tunnels).toEqual([])
    expect(proxy.forwarded.map(({ target }) => target)).toEqual([url, url])
    const basic = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
    expect(proxy.shown).toEqual([basic, basic])
    const arrived = ['POST', '/x?a=1', `shop.test:${port}`, 'L402 a:b', 'a=1']
    expect(seen).toEqual([arrived, arrived])
    const direct = make({ env: { all_proxy: address, no_proxy: '127.0.0.1' } })
    expect(await (await direct(`http://127.0.0.1:${port}/`, {})).text()).toBe('pay')
    expect(proxy.forwarded).toHaveLength(2)
  })

  it('sees no more of https than where it goes', async () => {
    const shown: (string | undefined)[] = []
    const server = createTlsServer({ key: PRIVATE_KEY, cert: CERTIFICATE }, (request, response) => {
      shown.push(request.headers['proxy-authorization'])
      response.end('served')
    })
    const port = await listen(server)
    const proxy = await startProxy(port)
    const env = { HTTPS_PROXY: `http://user:pass@127.0.0.1:${proxy.port}` }
    const headers = { authorization: 'L402 a:b' }
    const answer = await make({ env, insecure: true })(`https://shop.test:${port}/x`, { headers })
    expect(await answer.text()).toBe('served')
    expect([proxy.tunnels, proxy.forwarded]).toEqual([[`shop.test:${port}`], []])
    expect(shown).toEqual([undefined])
  })

  it.each([
    ['HTTP_PROXY', 'https'],
    ['HTTPS_PROXY', 'http'],
  ])('of %s carries no %s, as with curl', async (name, scheme) => {
    const tls = { key: PRIVATE_KEY, cert: CERTIFICATE }
    const server = scheme === 'https' ? createTlsServer(tls) : createServer()
    const port = await listen(server.on('request', (_, response) => response.end('served')))
    const proxy = await startProxy(port)
    const env = { [name]: `http://127.0.0.1:${proxy.port}` }
    const answer = await make({ env, insecure: true })(`${scheme}://127.0.0.1:${port}/x`, {})
    expect(await answer.text()).toBe('served')
    expect([proxy.tunnels, proxy.forwarded]).toEqual([[], []])
  })

  it('that is none is an error that does not repeat it', () => {
    expect(() => make({ env: { HTTPS_PROXY: 'socks5://user:secret@proxy' } })).toThrow(
      'HTTPS_PROXY: expected an http or https URL such as http://127.0.0.1:3128',
    )
  })

  it('is not used where only public addresses may be reached', async () => {
    const tunnels: string[] = []
    const proxy = createServer().on('connect', (request, socket) => {
      tunnels.push(request.url ?? '')
      socket.destroy()
    })
    const env = { HTTP_PROXY: `http://127.0.0.1:${await listen(proxy)}` }
    await expect(make({ env, publicOnly: true })('http://127.0.0.1:9/', {})).rejects.toThrow(
      '127.0.0.1 is not a public address',
    )
    expect(tunnels).toEqual([])
  })
})

describe('public addresses only', () => {
  it.each(['http', 'https'] as const)(
    'refuses this machine over %s, by address and by name',
    async (scheme) => {
      const seen: string[] = []
      const server = createServer((request, response) => {
        seen.push(request.url ?? '')
        response.end('inside')
      })
      const port = await listen(server)
      for (const host of ['127.0.0.1', 'localhost', '[::ffff:7f00:1]', '0x7f000001']) {
        for (const http2 of [false, true]) {
          const asked = make({ publicOnly: true, http2 })(`${scheme}://${host}:${port}/`, {})
          await expect(asked).rejects.toThrow('is not a public address')
        }
      }
      expect(seen).toEqual([])
      if (scheme === 'https') return
      const allowed = make({ publicOnly: true, allowAddresses: ['127.0.0.0/8'] })
      expect(await (await allowed(`http://127.0.0.1:${port}/ok`, {})).text()).toBe('inside')
    },
  )
})

describe('the Host line', () => {
  it('is sent whatever the values of other headers are, and once', async () => {
    const seen: string[][] = []
    const server = createServer((request, response) => {
      const names = request.rawHeaders.filter((_, at) => at % 2 === 0)
      seen.push([request.headers.host ?? '', ...names.filter((name) => /^host$/i.test(name))])
      response.end()
    })
    const host = `127.0.0.1:${await listen(server)}`
    await make()(`http://${host}/`, { headers: { 'x-want': 'host' } })
    expect(seen).toEqual([[host, 'host']])
  })
})

describe('a connection that cannot be made in time', () => {
  it('is given up after --connect-timeout', async () => {
    // Accepts and says nothing, so that TLS never comes about.
    const server = createServer()
    server.removeAllListeners('connection')
    const url = `https://127.0.0.1:${await listen(server)}/`
    await expect(make({ connectTimeoutMs: 50 })(url, {})).rejects.toThrow('no connection within 50 ms')
  })
})

describe('a server that stands still', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['http/1.1', {}],
    ['a proxy or HTTP/2', { http2: true }],
  ]
  it.each(cases)('before its answer is given up after --response-timeout (%s)', async (_, how) => {
    const url = `http://127.0.0.1:${await listen(createServer(() => {}))}/`
    const error = await make({ ...how, responseTimeoutMs: 50 })(url, {}).catch((cause: unknown) => cause)
    expect(causeText(error)).toMatch(/^no answer within .*--response-timeout/)
  })

  it.each(cases)('in the middle of its answer is given up after --idle-timeout (%s)', async (_, how) => {
    const server = createServer((_request, response) => response.write('half'))
    const url = `http://127.0.0.1:${await listen(server)}/`
    const response = await make({ ...how, idleTimeoutMs: 50 })(url, {})
    const error = await response.text().catch((cause: unknown) => cause)
    expect(causeText(error)).toMatch(/nothing moved for .*--idle-timeout/)
  })

  it('is told from a reader who pauses', async () => {
    const body = Buffer.alloc(4 * 1024 * 1024)
    const url = `http://127.0.0.1:${await listen(createServer((_, response) => response.end(body)))}/`
    const response = await make({ idleTimeoutMs: 30 })(url, {})
    // Longer than the time-out, with bytes waiting: the condition is the clock itself.
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(await response.arrayBuffer()).toHaveProperty('byteLength', body.length)
  })
})

describe('a server that changes to another protocol unasked', () => {
  it('has failed', async () => {
    const server = createServer()
    server.removeAllListeners('connection')
    server.on('connection', (socket) => {
      socket.end('HTTP/1.1 101 x\r\nUpgrade: l402\r\nConnection: Upgrade\r\n\r\n')
    })
    const url = `http://127.0.0.1:${await listen(server)}/`
    await expect(make()(url, {})).rejects.toThrow('the server changed to another protocol')
  })
})
