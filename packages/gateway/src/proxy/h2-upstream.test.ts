import { constants, type ServerHttp2Stream } from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import { askH2, openH2, type StreamHandler, startH2Upstream } from '../../test/proxy/h2.ts'
import {
  type Books,
  closeAll,
  get,
  passGate,
  request,
  sendRaw,
  startGateway,
  tableOf,
} from '../../test/proxy/harness.ts'
import { selfSigned } from '../commands/self-signed.ts'

afterEach(closeAll)

async function start(handler: StreamHandler, streams?: number) {
  const books: Books = { entries: [] }
  const upstream = await startH2Upstream(handler, streams === undefined ? {} : { streams })
  const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: passGate(books) })
  return { books, upstream, gateway, url: `http://127.0.0.1:${gateway.port}` }
}

function answer(stream: ServerHttp2Stream, text = 'ok'): void {
  stream.respond({ ':status': 200, 'content-length': text.length })
  stream.end(text)
}

describe('an upstream that speaks HTTP/2', () => {
  it('serves HTTP/1.1 clients too', async () => {
    let lines: readonly string[] = []
    const { gateway } = await start((stream, _, raw) => {
      lines = raw
      answer(stream)
    })
    const asked = [
      'Cookie: a=1',
      'X-One: 1',
      'X-One: 2',
      'Connection: close, X-Hop',
      'X-Hop: 1',
      'TE: trailers, gzip',
    ]
    const got = await sendRaw(
      gateway.port,
      ['GET /free/x?y HTTP/1.1', 'Host: a', ...asked, '', ''].join('\r\n'),
    )
    expect(got).toMatchObject({ status: 200, body: 'ok' })
    const text = lines.join(' ')
    expect(text).toContain(':method GET')
    expect(text).toContain(':path /free/x?y')
    expect(text).toContain('x-one 1, 2')
    expect(text).toContain('te trailers')
    expect(text).not.toMatch(/x-hop|connection/)
  })

  it('gets bodies as they come, and is answered as it answers', async () => {
    const { gateway, url } = await start((stream) => {
      stream.respond({ ':status': 201 })
      stream.pipe(stream)
    })
    const body = 'x'.repeat(500_000)
    const text = request('POST', '/free/x', [`Content-Length: ${body.length}`])
    const got = await sendRaw(gateway.port, text + body)
    expect(got.status).toBe(201)
    expect(got.body).toContain('x'.repeat(1000))
    const two = await askH2(await openH2(url), { ':method': 'PUT', ':path': '/free/x' }, body)
    expect(two.body === body).toBe(true)
  })

  it('request trailers reach it, without credentials among them', async () => {
    let trailers: object = {}
    const { url } = await start((stream) => {
      stream.on('trailers', (lines) => {
        trailers = { ...lines }
      })
      stream.resume().on('end', () => answer(stream))
    })
    const session = await openH2(url)
    const stream = session.request(
      { ':authority': 'a', ':method': 'POST', ':path': '/free/x' },
      { endStream: false, waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7', 'x-l402-token-id': 'mine' }))
    stream.end('body')
    await new Promise((resolve) => stream.resume().on('close', resolve))
    expect(Object.entries(trailers)).toEqual([['x-sum', '7']])
  })

  it('more requests than one connection takes go over others', async () => {
    const waiting: ServerHttp2Stream[] = []
    const { gateway, upstream } = await start((stream) => {
      waiting.push(stream)
      if (waiting.length === 150) for (const each of waiting) answer(each)
    }, 75)
    const all = await Promise.all(Array.from({ length: 150 }, () => get(gateway.port, '/free/x')))
    expect(all.every(({ status }) => status === 200)).toBe(true)
    expect(upstream.sessions()).toBe(2)
  })

  it('a stream that it refuses is sent again; one that it resets is not', async () => {
    let streams = 0
    const { gateway, books } = await start((stream, headers) => {
      streams++
      if (headers[':path'] === '/paid/reset') stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      else if (streams === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM)
      else answer(stream)
    })
    expect((await get(gateway.port, '/paid/x')).status).toBe(200)
    expect(streams).toBe(2)
    expect(books.entries).toEqual(['serve', 'commit'])
    expect((await get(gateway.port, '/paid/reset')).status).toBe(502)
    expect(streams).toBe(3)
    expect(books.entries).toEqual(['serve', 'commit', 'release'])
  })

  it('one that refuses everything is not asked for ever', async () => {
    let streams = 0
    const { gateway } = await start((stream) => {
      streams++
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
    })
    expect((await get(gateway.port, '/free/x')).status).toBe(502)
    expect(streams).toBe(3)
  })

  it('after its GOAWAY what runs is finished, and what comes goes over another connection', async () => {
    let held: ServerHttp2Stream | undefined
    const { gateway, upstream } = await start((stream, headers) => {
      if (headers[':path'] === '/free/slow') {
        held = stream
        stream.session?.goaway(constants.NGHTTP2_NO_ERROR)
      } else answer(stream)
    })
    const slow = get(gateway.port, '/free/slow')
    await expect.poll(() => held).toBeDefined()
    expect((await get(gateway.port, '/free/x')).status).toBe(200)
    if (held !== undefined) answer(held, 'late')
    expect(await slow).toMatchObject({ status: 200, body: 'late' })
    expect(upstream.sessions()).toBe(2)
  })

  it('a connection that breaks under an answer breaks that answer off', async () => {
    const { gateway, books } = await start((stream) => {
      stream.respond({ ':status': 200 })
      stream.write('some')
      setImmediate(() => stream.session?.destroy())
    })
    const got = await get(gateway.port, '/paid/x')
    expect(got.body).not.toMatch(/0\r\n\r\n$/)
    await expect.poll(() => books.entries.at(-1)).toBe('release')
  })

  it('a client whose connection breaks under its body has not sent all of it', async () => {
    let ended: string | undefined
    let body = ''
    const { url, books } = await start((stream) => {
      stream.on('data', (chunk: Buffer) => {
        body += chunk
      })
      stream.on('end', () => {
        if (!stream.aborted) ended ??= 'whole'
      })
      stream.on('close', () => {
        ended ??= 'broken'
      })
    })
    const session = await openH2(url)
    const stream = session.request(
      { ':authority': 'a', ':method': 'POST', ':path': '/paid/x' },
      { endStream: false },
    )
    stream.on('error', () => {})
    stream.write('some')
    await expect.poll(() => body).toBe('some')
    session.destroy()
    await expect.poll(() => ended).toBe('broken')
    expect(books.entries).toEqual(['release'])
  })

  it('an answer before the end of the request ends the request', async () => {
    const { url, gateway } = await start((stream) => answer(stream, 'enough'))
    const session = await openH2(url)
    const stream = session.request(
      { ':authority': 'a', ':method': 'POST', ':path': '/free/x' },
      { endStream: false },
    )
    stream.on('error', () => {})
    stream.write('some')
    let body = ''
    stream.on('data', (chunk: Buffer) => {
      body += chunk
    })
    await new Promise((resolve) => stream.on('close', resolve))
    expect(body).toBe('enough')
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('over TLS its certificate is checked', async () => {
    const { cert, key } = selfSigned(['localhost', '127.0.0.1'], 7)
    const upstream = await startH2Upstream((stream) => answer(stream), { tls: { cert, key } })
    const ask = async (tls: object): Promise<number> => {
      const target = {
        origin: upstream.origin,
        basePath: '',
        protocol: 'h2' as const,
        tls: { id: 'a', ...tls },
      }
      const gateway = await startGateway({ routing: [tableOf('', ['/free/*'], { upstream: target })] })
      return (await get(gateway.port, '/free/x')).status
    }
    expect(await ask({ ca: cert })).toBe(200)
    expect(await ask({})).toBe(502)
    expect(await ask({ insecure: true })).toBe(200)
    expect(await ask({ ca: cert, serverName: 'localhost' })).toBe(200)
    expect(await ask({ ca: cert, serverName: 'other.test' })).toBe(502)
  })
})
