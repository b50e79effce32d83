import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import { askH2, openH2 } from '../../test/proxy/h2.ts'
import {
  answerOk,
  type Books,
  closeAll,
  closed,
  get,
  open,
  passGate,
  readAll,
  refuseGate,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { selfSigned } from '../commands/self-signed.ts'
import { drainServers } from './index.ts'

afterEach(closeAll)

async function start(
  handler: Parameters<typeof startUpstream>[0] = answerOk,
  options: Partial<Parameters<typeof startGateway>[0]> = {},
) {
  const upstream = await startUpstream(handler)
  const gateway = await startGateway({ routing: [tableOf(upstream.origin)], ...options })
  return { upstream, gateway, session: await openH2(`http://127.0.0.1:${gateway.port}`) }
}

/** Frames as they stand on the wire. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
])
/** A header field, literally, without a table (RFC 7541 §6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value),
  ])
}
const HEAD = [
  literal(':method', 'GET'),
  literal(':scheme', 'http'),
  literal(':path', '/free/x'),
  literal(':authority', 'gateway.test'),
]

/** The code that the gateway resets stream 1 with, or ends the connection with. */
async function refusalOf(port: number, fields: readonly Buffer[]): Promise<number | undefined> {
  const socket = open(port)
  socket.write(Buffer.concat([PREFACE, frame(1, 5, 1, Buffer.concat(fields))]))
  let seen = Buffer.alloc(0)
  let code: number | undefined
  socket.on('data', (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk])
    while (seen.length >= 9 && seen.length >= 9 + seen.readUIntBE(0, 3)) {
      const payload = seen.subarray(9, 9 + seen.readUIntBE(0, 3))
      const type = seen[3]
      seen = seen.subarray(9 + payload.length)
      if (type === 1) socket.destroy()
      else if (type === 3) code = payload.readUInt32BE(0)
      else if (type === 7) code = payload.readUInt32BE(4)
      if (code !== undefined) socket.destroy()
    }
  })
  await closed(socket)
  return code
}

describe('HTTP/2 without TLS, on the port of HTTP/1.1', () => {
  it('carries a request and its answer', async () => {
    const { upstream, gateway, session } = await start()
    const answer = await askH2(session, {
      ':path': '/free/a?b=1',
      cookie: ['a=1', 'b=2'],
      'x-one': ['1', '2'],
    })
    expect(answer).toMatchObject({ status: 200, body: '{"ok":true}', rstCode: 0 })
    expect(answer.headers['content-type']).toBe('application/json')
    const [seen] = upstream.seen
    expect(seen).toMatchObject({ method: 'GET', url: '/free/a?b=1' })
    const lines = seen?.rawHeaders.join('\n') ?? ''
    expect(lines).toContain('cookie\na=1; b=2')
    expect(lines).toContain('x-one\n1\nx-one\n2')
    expect(lines).toContain('X-Forwarded-Host\ngateway.test')
    expect(lines).not.toContain(':path')
    // And HTTP/1.1 beside it.
    expect((await get(gateway.port, '/free/a')).status).toBe(200)
  })

  it('takes the preface in single bytes, and a POST that begins like it', async () => {
    const { gateway } = await start()
    const h2 = open(gateway.port).setNoDelay(true)
    const got: Buffer[] = []
    h2.on('data', (chunk: Buffer) => got.push(chunk))
    for (const byte of PREFACE) {
      await new Promise<void>((resolve) => h2.write(Buffer.of(byte), () => resolve()))
    }
    // SETTINGS of ours, and its acknowledgement of theirs.
    await expect.poll(() => Buffer.concat(got)[3]).toBe(4)
    h2.destroy()
    const h1 = open(gateway.port).setNoDelay(true)
    const text = 'POST /free/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
    for (const byte of Buffer.from(text)) {
      await new Promise<void>((resolve) => h1.write(Buffer.of(byte), () => resolve()))
    }
    expect(await readAll(h1)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('carries bodies both ways, with what follows them', async () => {
    const { upstream, session } = await start((req, res) => {
      res.writeHead(200, { Trailer: 'X-Sum' })
      req.pipe(res, { end: false })
      req.on('end', () => {
        res.addTrailers({ 'X-Sum': '7' })
        res.end()
      })
    })
    const body = Buffer.alloc(1_000_000, 'abc')
    const answer = await askH2(session, { ':method': 'POST', ':path': '/free/x' }, body)
    expect(answer.status).toBe(200)
    expect(answer.body === body.toString()).toBe(true)
    expect(answer.trailers?.['x-sum']).toBe('7')
    expect(upstream.seen[0]?.rawHeaders.join('\n')).toContain('transfer-encoding\nchunked')
  })

  it('asks for payment, and answers HEAD, 204 and its own problems', async () => {
    const { session } = await start((_, res) => res.writeHead(204).end(), { gate: refuseGate() })
    const refused = await askH2(session, { ':path': '/paid/x' })
    expect(refused).toMatchObject({ status: 402, body: '{"code":"missing"}' })
    expect(refused.headers['www-authenticate']).toBe('L402 macaroon="M", invoice="I", version="0", token="M"')
    const head = await askH2(session, { ':method': 'HEAD', ':path': '/paid/x' })
    expect(head).toMatchObject({ status: 402, body: '' })
    expect(await askH2(session, { ':path': '/free/x' })).toMatchObject({ status: 204, body: '' })
    expect(await askH2(session, { ':path': '/none' })).toMatchObject({ status: 404 })
    expect(await askH2(session, { ':path': '/free/%2F' })).toMatchObject({ status: 400 })
    expect(await askH2(session, { ':method': 'TRACE', ':path': '/free/x' })).toMatchObject({ status: 405 })
  })

  it('sends 100 Continue where the request may pass, and early hints', async () => {
    const { session } = await start((req, res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      answerOk(req, res)
    })
    const answer = await askH2(
      session,
      { ':method': 'POST', ':path': '/free/x', expect: '100-continue' },
      'hi',
    )
    expect(answer.status).toBe(200)
    expect(answer.informational.map((lines) => lines[':status'])).toEqual([100, 103])
    expect(answer.informational[1]?.['link']).toBe('</a>; rel=preload')
  })

  it('a client that resets its stream before the answer has its use back or not, as over HTTP/1.1', async () => {
    const books: Books = { entries: [] }
    const { gateway, session, upstream } = await start(() => {}, { gate: passGate(books) })
    const stream = session.request({ ':authority': 'a', ':method': 'GET', ':path': '/paid/x' })
    stream.on('error', () => {})
    await expect.poll(() => upstream.seen.length).toBe(1)
    stream.close(constants.NGHTTP2_CANCEL)
    await expect.poll(() => books.entries).toEqual(['commit'])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    expect(session.destroyed).toBe(false)
  })

  it.each(['without TLS', 'over TLS'])(
    'a client that ends its connection %s is gone at once, and its upstreams hear of it',
    async (how) => {
      const tls = how === 'over TLS' ? selfSigned(['127.0.0.1'], 7) : undefined
      const gone: string[] = []
      const upstream = await startUpstream((req, res) => {
        res.once('close', () => gone.push(req.url ?? ''))
        if (req.url === '/paid/begun') res.writeHead(200).write('some')
      })
      const books: Books = { entries: [] }
      const gateway = await startGateway({
        routing: [tableOf(upstream.origin)],
        gate: passGate(books),
        server: tls === undefined ? {} : { tls },
      })
      const scheme = tls === undefined ? 'http' : 'https'
      const session = await openH2(`${scheme}://127.0.0.1:${gateway.port}`, { ca: tls?.cert ?? [] })
      const read: string[] = []
      for (const path of ['/paid/begun', '/paid/silent']) {
        const stream = session.request({ ':authority': 'a', ':path': path }, { endStream: true })
        stream.on('error', () => {}).on('data', (chunk: Buffer) => read.push(chunk.toString()))
      }
      await expect.poll(() => upstream.seen.length).toBe(2)
      // All is read, so that its end is no reset of the connection.
      await expect.poll(() => read).toEqual(['some'])
      session.destroy()
      await expect.poll(() => gone.toSorted()).toEqual(['/paid/begun', '/paid/silent'])
      await expect.poll(() => books.entries).toEqual(['serve', 'commit', 'commit'])
      await expect.poll(() => gateway.server.connections).toBe(0)
    },
  )

  it('a client that ends its connection with its request is gone', async () => {
    const { gateway } = await start(() => {})
    const socket = open(gateway.port)
    socket.resume().end(Buffer.concat([PREFACE, frame(1, 5, 1, Buffer.concat(HEAD))]))
    await closed(socket)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    // That of `start` is there.
    await expect.poll(() => gateway.server.connections).toBe(1)
  })

  it('an upstream that breaks off resets the stream and leaves the others alone', async () => {
    let broken: ServerResponse | undefined
    const books: Books = { entries: [] }
    const { session } = await start(
      (req, res) => {
        if (req.url !== '/paid/x') return answerOk(req, res)
        broken = res
        res.writeHead(200)
        res.write('some')
      },
      { gate: passGate(books) },
    )
    const asked = askH2(session, { ':path': '/paid/x' })
    await expect.poll(() => broken?.headersSent).toBe(true)
    await expect.poll(() => books.entries).toEqual(['serve'])
    broken?.destroy()
    expect(await asked).toMatchObject({ status: 200, rstCode: constants.NGHTTP2_INTERNAL_ERROR })
    expect(books.entries).toEqual(['serve', 'release'])
    expect((await askH2(session, { ':path': '/free/x' })).status).toBe(200)
  })

  it('reads no faster than the client does', async () => {
    let written = 0
    const big = Buffer.alloc(1024 * 1024)
    const { session, gateway } = await start((_, res) => {
      const more = (): void => {
        while (written < 256 * big.length) {
          written += big.length
          if (!res.write(big)) return
        }
      }
      res.on('drain', more)
      more()
    })
    const stream = session.request({ ':authority': 'a', ':path': '/free/x' })
    stream.on('error', () => {})
    let before = -1
    await expect
      .poll(
        () => {
          const still = written > 0 && written === before
          before = written
          return still
        },
        { interval: 200 },
      )
      .toBe(true)
    expect(written).toBeLessThan(64 * big.length)
    stream.close()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('drains: GOAWAY at once, what runs is finished', async () => {
    let late: ServerResponse | undefined
    const { gateway, session } = await start((_, res) => {
      late = res
    })
    const asked = askH2(session, { ':path': '/free/x' })
    await expect.poll(() => late).toBeDefined()
    const goaway = once(session, 'goaway')
    const drained = drainServers([gateway.server], gateway.dataPlane, 10_000)
    await goaway
    late?.end('done')
    expect(await asked).toMatchObject({ status: 200, body: 'done' })
    expect(await drained).toBe(true)
  })
})

describe('HTTP/2 that is not well meant', () => {
  const cases: readonly (readonly [string, readonly Buffer[]])[] = [
    ['upper case', [...HEAD, literal('X-One', '1')]],
    ['a Connection line', [...HEAD, literal('connection', 'x-one')]],
    ['a Transfer-Encoding line', [...HEAD, literal('transfer-encoding', 'chunked')]],
    ['an Upgrade line', [...HEAD, literal('upgrade', 'websocket')]],
    ['TE other than trailers', [...HEAD, literal('te', 'gzip')]],
    ['no path', HEAD.filter((_, i) => i !== 2)],
    ['no method', HEAD.slice(1)],
    ['two paths', [...HEAD, literal(':path', '/free/y')]],
    ['a pseudo field behind', [literal('x-one', '1'), ...HEAD]],
    ['an unknown pseudo field', [...HEAD, literal(':other', '1')]],
    ['two lengths', [...HEAD, literal('content-length', '1'), literal('content-length', '2')]],
    ['a length and no body', [...HEAD, literal('content-length', '5')]],
  ]
  it.each(cases)('%s resets the stream and goes nowhere', async (_, fields) => {
    const { gateway, upstream } = await start()
    expect(await refusalOf(gateway.port, fields)).toBe(constants.NGHTTP2_PROTOCOL_ERROR)
    expect(upstream.seen).toEqual([])
    expect(await refusalOf(gateway.port, HEAD)).toBeUndefined()
  })

  it.each([
    ['a Host that is not the authority', { ':authority': 'gateway.test', host: 'other.test' }, 400],
    ['the same Host in capitals', { ':authority': 'gateway.test', host: 'GATEWAY.test' }, 200],
    ['another expectation', { expect: 'a-pony' }, 417],
    ['a method that HTTP does not know', { ':method': 'eET' }, 400],
  ])('%s', async (_, headers, status) => {
    const { session } = await start()
    expect((await askH2(session, { ':path': '/free/x', ...headers })).status).toBe(status)
  })

  it('a line feed in a value never goes on, nor an authority with a user in it', async () => {
    const { session, gateway, upstream } = await start()
    await refusalOf(gateway.port, [...HEAD, literal('x-one', 'a\nb')])
    expect(upstream.seen.flatMap(({ rawHeaders }) => rawHeaders).join('')).not.toContain('x-one')
    const before = upstream.seen.length
    const { status } = await askH2(session, { ':path': '/free/x', ':authority': 'user@gateway.test' })
    expect(status).not.toBe(200)
    expect(upstream.seen).toHaveLength(before)
  })

  it('a credential of 16 KiB passes; header lines without end do not', async () => {
    const { session, upstream } = await start()
    expect((await askH2(session, { ':path': '/free/x', authorization: 'x'.repeat(16_384) })).status).toBe(200)
    const lines = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`x-${i}`, 'y'.repeat(4_000)]))
    const flooded = await askH2(session, { ':path': '/free/x', ...lines }).catch(() => ({ status: 0 }))
    expect(flooded.status).not.toBe(200)
    expect(upstream.seen).toHaveLength(1)
  })

  it('a CONTINUATION without end closes the connection', async () => {
    const { gateway, upstream } = await start()
    const socket = open(gateway.port)
    socket.resume()
    socket.write(Buffer.concat([PREFACE, frame(1, 1, 1, Buffer.concat(HEAD))]))
    const more = frame(9, 0, 1, Buffer.concat([literal('x-one', 'y'.repeat(100))]))
    const flood = (): void => {
      while (socket.writable && socket.write(more)) {
        // As fast as it is taken.
      }
    }
    socket.on('drain', flood)
    flood()
    await closed(socket)
    expect(upstream.seen).toEqual([])
  })

  it('resets without end close the connection', async () => {
    const { gateway } = await start((_, res) => void res.write('x'))
    const socket = open(gateway.port)
    socket.resume()
    socket.write(PREFACE)
    let id = 1
    const flood = (): void => {
      for (let more = true; more && socket.writable; id += 2) {
        const reset = frame(3, 0, id, Buffer.from([0, 0, 0, 8]))
        more = socket.write(Buffer.concat([frame(1, 5, id, Buffer.concat(HEAD)), reset]))
      }
    }
    socket.on('drain', flood)
    flood()
    await closed(socket)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('pings and settings without end close the connection', async () => {
    const { gateway } = await start()
    for (const flooding of [frame(6, 0, 0, Buffer.alloc(8)), frame(4, 0, 0, Buffer.alloc(0))]) {
      const socket = open(gateway.port)
      socket.write(PREFACE)
      // Never read: what the gateway would have to answer piles up.
      socket.pause()
      const flood = (): void => {
        while (socket.writable && socket.write(flooding)) {
          // As fast as it is taken.
        }
      }
      socket.on('drain', flood)
      flood()
      await closed(socket)
    }
  })

  it('no more than 256 requests at a time', async () => {
    const { session } = await start()
    await expect.poll(() => session.remoteSettings.maxConcurrentStreams).toBe(256)
  })

  it('a connection that asks for nothing is closed', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      server: { keepAliveTimeoutMs: 50, headersTimeoutMs: 50 },
    })
    const session = await openH2(`http://127.0.0.1:${gateway.port}`)
    await once(session, 'close')
    const silent = open(gateway.port)
    silent.resume()
    await closed(silent)
  })
})
