import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  type Gateway,
  open,
  parseAnswer,
  passGate,
  readAll,
  readUntil,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
  type Upstream,
} from '../../test/proxy/harness.ts'

afterEach(closeAll)

async function start(): Promise<{ upstream: Upstream; gateway: Gateway }> {
  const upstream = await startUpstream()
  return { upstream, gateway: await startGateway({ routing: [tableOf(upstream.origin)] }) }
}

const post = (...lines: readonly string[]): string =>
  ['POST /free/x HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n')
const next = 'GET /paid/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

describe('framing that two readers could take for different requests is 400, and the connection closes', () => {
  it.each<[string, string]>([
    ['both lengths and a coding', `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['a coding and then a length', `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`],
    ['two lengths that differ', `${post('Content-Length: 1', 'Content-Length: 2')}xx`],
    ['two lengths that agree', `${post('Content-Length: 1', 'Content-Length: 1')}x`],
    ['a list of lengths', `${post('Content-Length: 1, 1')}x`],
    ['a signed length', `${post('Content-Length: +1')}x`],
    ['a length in hex', `${post('Content-Length: 0x1')}x`],
    ['a length beyond counting', post('Content-Length: 9999999999999999')],
    ['another coding before chunked', `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
    [
      'another coding on its own line',
      `${post('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    ],
    ['another coding after chunked', `${post('Transfer-Encoding: chunked, gzip')}0\r\n\r\n`],
    ['chunked twice', `${post('Transfer-Encoding: chunked, chunked')}0\r\n\r\n`],
    [
      'chunked twice on two lines',
      `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    ],
    ['identity', post('Transfer-Encoding: identity')],
    ['an unknown coding', `${post('Transfer-Encoding: xchunked')}0\r\n\r\n`],
    ['a coding with a parameter', `${post('Transfer-Encoding: chunked;a=b')}0\r\n\r\n`],
    ['a coding behind a vertical tab', `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`],
    ['an empty coding', `${post('Transfer-Encoding:', 'Content-Length: 1')}x`],
    ['a coding in HTTP/1.0', 'POST /free/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a space before the colon', `${post('Transfer-Encoding : chunked')}0\r\n\r\n`],
    ['a folded header', post('X-A: a', ' b')],
    ['a folded first header', 'POST /free/x HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['bare LF after a header', 'POST /free/x HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
    ['bare LF everywhere', 'POST /free/x HTTP/1.1\nHost: a\n\n'],
    ['bare CR in a header', post('X-A: b\rTransfer-Encoding: chunked')],
    ['NUL in a header', post('X-A: b\0')],
    ['a control character in a header', post('X-A: b\x01')],
    ['no header name', post(': b')],
    ['no version', 'GET /free/x\r\n\r\n'],
    ['HTTP/2 in the request line', 'GET /free/x HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['half the HTTP/2 preface', 'PRI * HTTP/2.\r\n\r\n'],
    ['a method in small letters', 'get /free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an unknown method', 'BREW /free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a target in Latin-1', 'GET /free/\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a target with a control character', 'GET /free/\x01 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a target without a slash', 'GET free HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00'],
  ])('%s', async (_, bytes) => {
    const { upstream, gateway } = await start()
    const answer = await sendRaw(gateway.port, bytes + next)
    expect(answer.status).toBe(400)
    expect(answer.head).toMatch(/^Connection: close$/im)
    expect(answer.head).toMatch(/^Content-Type: application\/problem\+json$/im)
    expect(JSON.parse(answer.body)).toMatchObject({ status: 400, code: 'bad_request' })
    expect(upstream.seen).toEqual([])
  })

  it('header lines beyond the limit are 431, a 16 KiB credential is not', async () => {
    const { upstream, gateway } = await start()
    const long = await sendRaw(gateway.port, post(`X-A: ${'a'.repeat(33_000)}`))
    expect(long.status).toBe(431)
    expect(JSON.parse(long.body)).toMatchObject({ code: 'header_too_large' })
    expect(upstream.seen).toEqual([])
    const credential = `Authorization: L402 ${'a'.repeat(16_384)}`
    expect((await sendRaw(gateway.port, post(credential, 'Connection: close'))).status).toBe(200)
  })

  it('no header line is lost, however many there are', async () => {
    const { upstream, gateway } = await start()
    const lines = Array.from({ length: 2_500 }, (_, i) => `n: ${i % 10}`)
    expect((await sendRaw(gateway.port, post(...lines, 'Connection: close'))).status).toBe(200)
    expect(upstream.seen[0]?.rawHeaders.filter((text) => text === 'n').length).toBe(2_500)
    expect((await sendRaw(gateway.port, post(...lines, 'Host: b'))).status).toBe(400)
  })
})

describe('whatever bytes a client sends', () => {
  it('each octet in a header name, a value, the host, the path and the query passes or is 400', async () => {
    const { upstream, gateway } = await start()
    const spots = [
      '/free/x HTTP/1.1|Host: a|X-A: a#b',
      '/free/x HTTP/1.1|Host: a|X#A: b',
      '/free/x HTTP/1.1|Host: a#b',
    ]
    spots.push('/free/x#y HTTP/1.1|Host: a', '/free/x?a#b HTTP/1.1|Host: a')
    for (const spot of spots) {
      const answers = Array.from({ length: 256 }, (_, octet) => {
        const lines = `GET ${spot}|Connection: close||`.replaceAll('|', '\r\n')
        return sendRaw(gateway.port, lines.replace('#', String.fromCharCode(octet)))
      })
      const statuses = new Set((await Promise.all(answers)).map(({ status }) => status))
      expect([...statuses].sort(), spot).toEqual([200, 400])
    }
    expect(upstream.seen.every(({ url }) => url.startsWith('/free/'))).toBe(true)
  })

  it('the answer is below 500, or none, and the next client is served', async () => {
    const { gateway } = await start()
    const whole = [
      post('Content-Length: 3'),
      'abc',
      post('Transfer-Encoding: chunked'),
      '3\r\nabc\r\n0\r\n\r\n',
      next,
    ].join('')
    const edit = fc.record({
      at: fc.nat(whole.length),
      drop: fc.nat(20),
      put: fc.oneof(
        fc.string({ unit: 'binary-ascii', maxLength: 4 }),
        fc.constantFrom(
          '\r\n',
          '\n',
          '0\r\n\r\n',
          'Expect: 100-continue\r\n',
          'Connection: close\r\n',
          '\xff',
          ' ',
        ),
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 4 }), async (edits) => {
        const bytes = edits.reduce(
          (text, { at, drop, put }) => text.slice(0, at) + put + text.slice(at + drop),
          whole,
        )
        const socket = open(gateway.port)
        const all = readAll(socket)
        socket.end(bytes, 'latin1')
        for (const [, status] of (await all).matchAll(/^HTTP\/1\.1 (\d+)/gm))
          expect(Number(status)).toBeLessThan(500)
      }),
      { numRuns: 300 },
    )
    expect((await sendRaw(gateway.port, post('Content-Length: 0', 'Connection: close'))).status).toBe(200)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })
})

describe('a body', () => {
  it('goes upstream byte for byte, with its length or in chunks', async () => {
    const { upstream, gateway } = await start()
    const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
    expect(
      (await sendRaw(gateway.port, `${post('Content-Length: 256', 'Connection: close')}${bytes}`)).status,
    ).toBe(200)
    const chunked = `${post('Transfer-Encoding: Chunked', 'Connection: close')}100;ext=1\r\n${bytes}\r\n0\r\nX-T: a\r\n\r\n`
    expect((await sendRaw(gateway.port, chunked)).status).toBe(200)
    expect(upstream.seen.map(({ body }) => body)).toEqual([bytes, bytes])
    const names = upstream.seen.map(({ rawHeaders }) => rawHeaders.map((text) => text.toLowerCase()))
    expect(names[0]).toContain('content-length')
    expect(names[1]).toContain('transfer-encoding')
    expect(names[1]).not.toContain('x-t')
  })

  it('may come with GET, and may be empty', async () => {
    const { upstream, gateway } = await start()
    const lines = 'Host: a\r\nConnection: close\r\n'
    await sendRaw(gateway.port, `GET /free/x HTTP/1.1\r\n${lines}Content-Length: 2\r\n\r\nhi`)
    await sendRaw(gateway.port, `GET /free/x HTTP/1.1\r\n${lines}Content-Length: 0\r\n\r\n`)
    await sendRaw(gateway.port, `POST /free/x HTTP/1.1\r\n${lines}Content-Length: 0\r\n\r\n`)
    await sendRaw(
      gateway.port,
      `POST /free/x HTTP/1.1\r\n${lines}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    )
    await sendRaw(gateway.port, `DELETE /free/x HTTP/1.1\r\n${lines}\r\n`)
    expect(upstream.seen.map(({ method, body }) => `${method} ${body}`)).toEqual([
      ...['GET hi', 'GET ', 'POST ', 'POST ', 'DELETE '],
    ])
  })

  it.each([
    ['a bad chunk size', 'zz\r\n'],
    ['a bare LF after a chunk size', '3\nabc\r\n'],
    ['a chunk that is longer than it says', '1\r\nabc\r\n'],
  ])(
    'that turns malformed later (%s) ends the upstream request, is 400, and uses nothing',
    async (_, bytes) => {
      let cut: Promise<unknown> | undefined
      const upstream = await startUpstream((req) => {
        req.on('error', () => {})
        req.resume()
        cut = new Promise((resolve) => req.on('close', resolve))
      })
      const books = { entries: [] as string[] }
      const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: passGate(books) })
      const socket = open(gateway.port)
      const all = readAll(socket)
      socket.write('POST /paid/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
      await expect.poll(() => upstream.seen.length).toBe(1)
      socket.write(bytes)
      const answer = parseAnswer(await all)
      expect(answer.status).toBe(400)
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'bad_request' })
      await cut
      await expect.poll(() => books.entries).toEqual(['release'])
      await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    },
  )

  it('that turns malformed under an answer that has begun leaves that answer visibly unfinished', async () => {
    const upstream = await startUpstream((req, res) => {
      req.on('error', () => {})
      req.resume()
      res.write('begun')
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write('POST /free/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    const begun = await readUntil(socket, /begun/)
    const rest = readAll(socket)
    socket.write('zz\r\n')
    expect(begun + (await rest)).not.toMatch(/\r\n0\r\n/)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })
})

describe('one connection', () => {
  it('carries pipelined requests in their order', async () => {
    const { upstream, gateway } = await start()
    const one = (path: string): string => `GET /free/${path} HTTP/1.1\r\nHost: a\r\n\r\n`
    const last = 'GET /free/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const socket = open(gateway.port)
    socket.write(one('1') + one('2') + last)
    expect((await readAll(socket)).match(/HTTP\/1\.1 200/g)?.length).toBe(3)
    expect(upstream.seen.map(({ url }) => url).sort()).toEqual(['/free/1', '/free/2', '/free/3'])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('that begins with a single letter of a method keeps nobody else waiting', async () => {
    const { gateway } = await start()
    const slow = open(gateway.port)
    slow.write('P')
    const other = open(gateway.port)
    other.write('GET /free/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await readAll(other)).toMatch(/^HTTP\/1\.1 200 /)
    slow.write('OST /free/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    expect(await readAll(slow)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('that a refusal closes carries nothing of what was pipelined behind it', async () => {
    const { upstream, gateway } = await start()
    const bad = `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`
    const free = 'GET /free/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
    const statuses = async (bytes: string): Promise<string[]> => {
      const socket = open(gateway.port)
      socket.write(bytes)
      return (await readAll(socket)).match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? []
    }
    expect(await statuses(bad + free + free)).toEqual(['400'])
    expect(await statuses(free + bad + free)).toEqual(['200', '400'])
    expect(upstream.seen).toHaveLength(1)
  })

  it('that ends in the middle of pipelined requests leaves nothing behind', async () => {
    const upstream = await startUpstream((_, res) => res.write('x'.repeat(100_000)))
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write('GET /free/1 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(4))
    await readUntil(socket, /xxx/)
    await expect.poll(() => upstream.seen.length).toBe(4)
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('answers a whole request first when what follows it is no request', async () => {
    const { upstream, gateway } = await start()
    const answer = await sendRaw(gateway.port, `${post('Content-Length: 2')}hiGARBAGE\r\n\r\n`)
    expect(answer.status).toBe(200)
    expect(answer.body).toContain('{"ok":true}')
    expect(upstream.seen.map(({ body }) => body)).toEqual(['hi'])
  })

  it('carries another request after a refusal whose body was left unread', async () => {
    const { upstream, gateway } = await start()
    const socket = open(gateway.port)
    const bytes = 'x'.repeat(300_000)
    socket.write(`POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes}`)
    await readUntil(socket, /"code":"no_route"\}/)
    socket.write('GET /free/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await readAll(socket)).toMatch(/HTTP\/1\.1 200/)
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/free/x'])
  })
})
