import type { Socket } from 'node:net'
import { L402Error } from '@turnpike/l402'
import { afterEach, describe, expect, it } from 'vitest'
import {
  answerOk,
  type Books,
  closeAll,
  closed,
  type Gateway,
  gateOf,
  get,
  open,
  parseAnswer,
  passGate,
  type RawAnswer,
  readAll,
  readUntil,
  request,
  sendRaw,
  startGateway,
  startRawUpstream,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import type { RequestRecord } from './index.ts'

afterEach(closeAll)

interface Case {
  readonly gateway: Gateway
  readonly books: Books
  readonly records: RequestRecord[]
  readonly faults: string[]
}

async function start(origin: string, options: { timeoutMs?: number; later?: boolean } = {}): Promise<Case> {
  const books: Books = { entries: [] }
  const records: RequestRecord[] = []
  const faults: string[] = []
  const { timeoutMs = 10_000, later = false } = options
  const gateway = await startGateway({
    routing: [tableOf(origin, undefined, { timeoutMs })],
    gate: passGate(books, { later }),
    hooks: { finished: (record) => records.push(record), fault: (code) => faults.push(code) },
  })
  return { gateway, books, records, faults }
}

/** An upstream that answers every request on a raw connection with `bytes`, in whatever way. */
function rawAnswer(answer: (socket: Socket) => void): Promise<{ origin: string }> {
  return startRawUpstream((socket) => {
    socket.on('data', () => answer(socket))
  })
}

function problemOf(answer: RawAnswer): unknown {
  expect(answer.head).toMatch(/^Content-Type: application\/problem\+json$/m)
  return JSON.parse(answer.body)
}

describe('a use is in the books before the first byte goes out, and counts when the answer ends', () => {
  it.each([false, true])(
    'and is not, while the books are still writing (gate answers later: %s)',
    async (later) => {
      const upstream = await startUpstream()
      const { gateway, books, records } = await start(upstream.origin, { later })
      let written: (() => void) | undefined
      books.serve = () =>
        new Promise((resolve) => {
          written = resolve
        })
      const socket = open(gateway.port)
      let got = ''
      socket.on('data', (chunk) => {
        got += String(chunk)
      })
      socket.write(request('GET', '/paid/x'))
      await expect.poll(() => written).toBeDefined()
      // Another request goes through meanwhile: what is held back is this answer alone.
      expect((await get(gateway.port, '/free/x')).status).toBe(200)
      expect(got).toBe('')
      expect(books.entries).toEqual([])
      written?.()
      await closed(socket)
      expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\{"ok":true\}$/s)
      expect(books.entries).toEqual(['serve', 'commit'])
      expect(records.at(-1)).toMatchObject({ status: 200, outcome: 'proxied', paid: true, complete: true })
    },
  )

  it.each([200, 204, 301, 304, 404, 429, 499])('an answer of %d uses it', async (status) => {
    const upstream = await startUpstream((_, res) => res.writeHead(status).end())
    const { gateway, books } = await start(upstream.origin)
    expect((await get(gateway.port, '/paid/x')).status).toBe(status)
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('HEAD uses it as GET does', async () => {
    const upstream = await startUpstream()
    const { gateway, books } = await start(upstream.origin)
    const answer = await sendRaw(gateway.port, request('HEAD', '/paid/x'))
    expect(answer).toMatchObject({ status: 200, body: '' })
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('a time pass asks the books for nothing', async () => {
    const upstream = await startUpstream()
    const books: Books = { entries: [] }
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate: passGate(books, { counted: false }),
    })
    expect((await get(gateway.port, '/paid/x')).status).toBe(200)
    expect(books.entries).toEqual([])
  })

  it('books that cannot be written are 503 with Retry-After, and the upstream is let go', async () => {
    let gone = false
    const upstream = await startUpstream((_, res) => {
      res.write('x'.repeat(200_000))
      res.on('close', () => {
        gone = true
      })
    })
    const { gateway, books, faults } = await start(upstream.origin)
    books.serve = () => Promise.reject(new L402Error('store_unavailable', 'the disk is full'))
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(503)
    expect(answer.head).toMatch(/^Retry-After: \d+$/m)
    expect(problemOf(answer)).toMatchObject({ code: 'store_unavailable' })
    expect(answer.body).not.toContain('disk')
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual(['store_unavailable'])
    await expect.poll(() => gone).toBe(true)
  })
})

describe('the client keeps what it paid for', () => {
  it.each([500, 502, 503])('when the upstream answers %d, which is passed on', async (status) => {
    const upstream = await startUpstream((_, res) => res.writeHead(status, { 'X-Own': '1' }).end('broken'))
    const { gateway, books } = await start(upstream.origin)
    const answer = await get(gateway.port, '/paid/x')
    expect(answer).toMatchObject({ status, head: expect.stringContaining('X-Own: 1') })
    expect(answer.body).toContain('broken')
    expect(books.entries).toEqual(['release'])
  })

  it('when the upstream is not there', async () => {
    const upstream = await startUpstream()
    await upstream.close()
    const { gateway, books, records } = await start(upstream.origin)
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(502)
    expect(problemOf(answer)).toMatchObject({ code: 'upstream_unreachable' })
    expect(books.entries).toEqual(['release'])
    await expect.poll(() => records.length).toBe(1)
    expect(records[0]).toMatchObject({ status: 502, outcome: 'proxied', code: 'upstream_unreachable' })
  })

  it.each<[string, (socket: Socket) => void, string]>([
    ['resets the connection', (socket) => socket.resetAndDestroy(), 'upstream_closed'],
    ['closes the connection', (socket) => socket.end(), 'upstream_closed'],
    ['closes it within the header', (socket) => socket.end('HTTP/1.1 200 OK\r\nX-A: '), 'upstream_closed'],
    ['speaks something else', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'upstream_invalid'],
    [
      'sends two lengths',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
      'upstream_invalid',
    ],
    [
      'sends a length and a coding',
      (socket) =>
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      'upstream_invalid',
    ],
    [
      'sends endless headers',
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`),
      'upstream_invalid',
    ],
    [
      'switches protocols unasked',
      (socket) => socket.end('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      'upstream_closed',
    ],
  ])('when the upstream %s before it answers', async (_, misbehave, code) => {
    const upstream = await rawAnswer(misbehave)
    const { gateway, books } = await start(upstream.origin)
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(502)
    expect(problemOf(answer)).toMatchObject({ status: 502, code })
    expect(books.entries).toEqual(['release'])
  })

  it('when no byte comes in time: 504', async () => {
    let gone = false
    const upstream = await startUpstream((req) => {
      req.on('close', () => {
        gone = true
      })
    })
    const { gateway, books } = await start(upstream.origin, { timeoutMs: 50 })
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(504)
    expect(problemOf(answer)).toMatchObject({ code: 'upstream_timeout' })
    expect(books.entries).toEqual(['release'])
    await expect.poll(() => gone).toBe(true)
  })

  it('when it waits in vain for a connection to the upstream', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url === '/free/slow') res.writeHead(200).write('begun')
      else answerOk(req, res)
    })
    const books: Books = { entries: [] }
    const routing = [tableOf(upstream.origin, undefined, { timeoutMs: 50 })]
    const gateway = await startGateway({ routing, gate: passGate(books), connectionsPerOrigin: 1 })
    const slow = open(gateway.port)
    slow.write(request('GET', '/free/slow'))
    await readUntil(slow, /begun/)
    expect((await get(gateway.port, '/paid/x')).status).toBe(504)
    expect(books.entries).toEqual(['release'])
    slow.destroy()
    // What was given up in the queue is never sent.
    await expect.poll(async () => (await get(gateway.port, '/free/y')).status).toBe(200)
    expect(upstream.seen.map(({ url }) => url).filter((url) => url === '/paid/x')).toEqual([])
  })

  it('when it leaves while it sends its body', async () => {
    const upstream = await startUpstream((req) => {
      req.on('error', () => {})
      req.resume()
    })
    const { gateway, books } = await start(upstream.origin)
    const socket = open(gateway.port)
    socket.write('POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await expect.poll(() => upstream.seen.length).toBe(1)
    socket.destroy()
    await expect.poll(() => books.entries).toEqual(['release'])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('when it leaves while the gate decides', async () => {
    const upstream = await startUpstream()
    const books: Books = { entries: [] }
    let decide = (): void => {}
    const inner = passGate(books)
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate: gateOf(async (asked) => {
        await new Promise<void>((resolve) => {
          decide = resolve
        })
        return inner.decide(asked)
      }),
    })
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(1)
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    decide()
    await expect.poll(() => books.entries).toEqual(['release'])
    expect(upstream.seen).toEqual([])
  })

  it('when the body does not arrive: 408', async () => {
    const upstream = await startUpstream((req) => {
      req.on('error', () => {})
      req.resume()
    })
    const { gateway, books } = await start(upstream.origin, { timeoutMs: 50 })
    const answer = await sendRaw(
      gateway.port,
      'POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
    )
    expect(answer.status).toBe(408)
    expect(answer.head).toMatch(/^Connection: close$/m)
    expect(books.entries).toEqual(['release'])
  })

  it('and it is given back before the answer goes out', async () => {
    const upstream = await startUpstream((_, res) => res.writeHead(500).end())
    const { gateway, books } = await start(upstream.origin)
    let released = (): void => {}
    books.release = () =>
      new Promise((resolve) => {
        released = resolve
      })
    const answer = get(gateway.port, '/paid/x')
    await expect.poll(() => books.entries).toEqual(['release'])
    expect(gateway.dataPlane.inFlight()).toBe(1)
    released()
    expect((await answer).status).toBe(500)
  })
})

describe('an answer that breaks off', () => {
  it.each<[string, string, (socket: Socket) => void]>([
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart', (socket) => socket.end()],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
      (socket) => socket.end(),
    ],
    [
      'by a reset',
      'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart',
      (socket) => socket.resetAndDestroy(),
    ],
    [
      'by a bad chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
      (socket) => socket.write('zz\r\n'),
    ],
  ])('%s gives the use back, and is never ended cleanly', async (_, bytes, stop) => {
    let upstreamSocket: Socket | undefined
    const upstream = await rawAnswer((socket) => {
      upstreamSocket = socket
      socket.write(bytes)
    })
    const { gateway, books, records, faults } = await start(upstream.origin)
    const socket = open(gateway.port)
    socket.write('GET /paid/x HTTP/1.1\r\nHost: a\r\n\r\n')
    const begun = await readUntil(socket, /part/)
    const rest = readAll(socket)
    if (upstreamSocket !== undefined) stop(upstreamSocket)
    const text = begun + (await rest)
    expect(text).not.toMatch(/\r\n0\r\n/)
    expect(books.entries).toEqual(['serve', 'release'])
    await expect.poll(() => records.length).toBe(1)
    expect(records[0]).toMatchObject({ status: 200, complete: false, code: 'upstream_broke_off' })
    expect(faults).toEqual(['upstream_broke_off'])
  })

  it.each<[string, (socket: Socket) => void]>([
    ['by closing', (socket) => socket.end()],
    ['by a reset', (socket) => socket.resetAndDestroy()],
  ])('%s, short and of a known length, is 502 and the use is given back', async (_, stop) => {
    const upstream = await rawAnswer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart', () => stop(socket))
    })
    const { gateway, books, faults } = await start(upstream.origin)
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(502)
    expect(problemOf(answer)).toMatchObject({ code: 'upstream_closed' })
    expect(answer.body).not.toContain('part')
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual(['upstream_closed'])
  })

  it('by stopping, short and of a known length, is 504 and the use is given back', async () => {
    const upstream = await rawAnswer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
    })
    const { gateway, books } = await start(upstream.origin, { timeoutMs: 50 })
    expect((await get(gateway.port, '/paid/x')).status).toBe(504)
    expect(books.entries).toEqual(['release'])
  })

  it('because the client left when the upstream had its request is used: the work is done', async () => {
    let gone = false
    const upstream = await startUpstream((req) => {
      req.on('close', () => {
        gone = true
      })
    })
    const { gateway, books, records } = await start(upstream.origin)
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    await expect.poll(() => upstream.seen.length).toBe(1)
    socket.destroy()
    await expect.poll(() => gone).toBe(true)
    await expect.poll(() => books.entries).toEqual(['commit'])
    expect(records[0]).toMatchObject({ status: 0, complete: false })
  })

  it('while the books are still writing is 502', async () => {
    let upstreamSocket: Socket | undefined
    const upstream = await rawAnswer((socket) => {
      upstreamSocket = socket
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart')
    })
    const { gateway, books } = await start(upstream.origin)
    let written: (() => void) | undefined
    books.serve = () =>
      new Promise((resolve) => {
        written = resolve
      })
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    const all = readAll(socket)
    await expect.poll(() => written).toBeDefined()
    upstreamSocket?.resetAndDestroy()
    await get(gateway.port, '/nowhere')
    written?.()
    expect(parseAnswer(await all).status).toBe(502)
    expect(books.entries).toEqual(['serve', 'release'])
  })

  it('because the client left counts', async () => {
    const upstream = await startUpstream((_, res) => res.write('begun'))
    const { gateway, books } = await start(upstream.origin)
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    await readUntil(socket, /begun/)
    expect(books.entries).toEqual(['serve'])
    socket.destroy()
    await expect.poll(() => books.entries).toEqual(['serve', 'commit'])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('because the client left while the books were still writing is used', async () => {
    const upstream = await startUpstream()
    const { gateway, books } = await start(upstream.origin)
    let written: (() => void) | undefined
    books.serve = () =>
      new Promise((resolve) => {
        written = resolve
      })
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    await expect.poll(() => written).toBeDefined()
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    written?.()
    await expect.poll(() => books.entries).toEqual(['commit', 'serve'])
  })
})
