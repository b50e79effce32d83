import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { startH2Upstream } from '../../test/proxy/h2.ts'
import {
  type Books,
  cleanups,
  closeAll,
  closed,
  open,
  parseAnswer,
  passGate,
  readAll,
  readUntil,
  refuseGate,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { drainServers } from './index.ts'

afterEach(closeAll)

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** An upstream that takes WebSocket connections, as far as bytes go. */
async function startSocketUpstream(onSocket: (socket: Duplex, req: IncomingMessage) => void) {
  const sockets = new Set<Duplex>()
  const server = createServer((_, res) => res.end('plain'))
  server.on('upgrade', (req, socket: Duplex, first: Buffer) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const accept = createHash('sha1').update(
      `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    )
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
    )
    if (first.length > 0) socket.unshift(first)
    onSocket(socket, req)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

function asking(target: string, lines: readonly string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    'Host: gateway.test',
    'Connection: Upgrade',
    'Upgrade: WebSocket',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
    ...lines,
    '',
    '',
  ].join('\r\n')
}

async function start(
  onSocket: (socket: Duplex, req: IncomingMessage) => void = (socket) => void socket.pipe(socket),
) {
  const books: Books = { entries: [] }
  const upstream = await startSocketUpstream(onSocket)
  const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: passGate(books) })
  return { books, upstream, gateway }
}

async function connected(
  port: number,
  target = '/paid/x',
  first = '',
): Promise<{ socket: Socket; head: string }> {
  const socket = open(port)
  socket.write(asking(target) + first)
  return { socket, head: await readUntil(socket, /\r\n\r\n/) }
}

describe('a WebSocket', () => {
  it('is opened by whoever paid, carries bytes both ways, and counts from the 101 on', async () => {
    let seen: IncomingMessage | undefined
    const { gateway, books } = await start((socket, req) => {
      seen = req
      socket.pipe(socket)
    })
    const { socket, head } = await connected(gateway.port)
    expect(head).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(head).toMatch(/^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/m)
    expect(head).toMatch(/^Connection: Upgrade\r\nUpgrade: websocket\r$/m)
    expect(head).not.toMatch(/content-length|transfer-encoding/i)
    expect(head).toContain('RateLimit: "calls";r=4')
    expect(seen?.headers).toMatchObject({ 'x-l402-service': 'demo', 'x-forwarded-for': '127.0.0.1' })
    for (const text of ['one', 'two']) {
      socket.write(text)
      await readUntil(socket, new RegExp(text))
    }
    expect(books.entries).toEqual(['serve'])
    expect(gateway.dataPlane.inFlight()).toBe(1)
    socket.end()
    await closed(socket)
    await expect.poll(() => books.entries).toEqual(['serve', 'commit'])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('what the client sends before the 101 arrives too, and what the upstream sends with it', async () => {
    const { gateway } = await start((socket) => {
      socket.write('hello ')
      socket.pipe(socket)
    })
    const socket = open(gateway.port)
    socket.write(`${asking('/free/x')}early`)
    expect(await readUntil(socket, /early$/)).toMatch(/\r\n\r\nhello early$/)
    socket.destroy()
  })

  it('is 402 without payment, and the upstream hears nothing', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: refuseGate() })
    const socket = open(gateway.port)
    socket.write(asking('/paid/x'))
    const answer = parseAnswer(await readAll(socket))
    expect(answer).toMatchObject({ status: 402, body: '{"code":"missing"}' })
    expect(answer.head).toMatch(/^Connection: close$/m)
    expect(upstream.seen).toEqual([])
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it.each([
    [503, ['release']],
    [403, ['serve', 'commit']],
  ])(
    'an upstream that answers %i instead is passed on, and settled by its status',
    async (status, entries) => {
      const books: Books = { entries: [] }
      const upstream = await startUpstream((_, res) => res.writeHead(status).end('no'))
      const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: passGate(books) })
      const socket = open(gateway.port)
      socket.write(asking('/paid/x'))
      expect(parseAnswer(await readAll(socket))).toMatchObject({ status })
      expect(books.entries).toEqual(entries)
    },
  )

  it('an upstream that cannot be reached gives the use back', async () => {
    const books: Books = { entries: [] }
    // A port of a server that was closed could be another one's by now.
    const routing = [tableOf('http://127.0.0.1:1')]
    const gateway = await startGateway({ routing, gate: passGate(books) })
    const socket = open(gateway.port)
    socket.write(asking('/paid/x'))
    expect(parseAnswer(await readAll(socket)).status).toBe(502)
    expect(books.entries).toEqual(['release'])
  })

  it('books that are down: 503, and the upstream’s connection is closed', async () => {
    const { gateway, books, upstream } = await start()
    books.serve = () => Promise.reject(new Error('down'))
    const socket = open(gateway.port)
    socket.write(asking('/paid/x'))
    expect(parseAnswer(await readAll(socket)).status).toBe(503)
    await expect.poll(() => [...upstream.sockets].every((each) => each.destroyed)).toBe(true)
    expect(books.entries).toEqual(['release'])
  })

  it('reads no faster than the slower side, either way', async () => {
    const big = Buffer.alloc(1024 * 1024)
    let written = 0
    const { gateway } = await start((socket) => {
      const more = (): void => {
        while (written < 256 * big.length) {
          written += big.length
          if (!socket.write(big)) return
        }
      }
      socket.on('drain', more)
      more()
    })
    const { socket } = await connected(gateway.port)
    socket.pause()
    let before = -1
    await expect
      .poll(
        () => {
          const still = written === before
          before = written
          return still
        },
        { interval: 200 },
      )
      .toBe(true)
    expect(written).toBeLessThan(64 * big.length)
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('closes at the other side when one side closes, or breaks off', async () => {
    const { gateway, upstream } = await start((socket) => void socket.on('end', () => socket.end()))
    const { socket } = await connected(gateway.port)
    const [there] = upstream.sockets
    there?.resume()
    socket.destroy()
    await expect.poll(() => there?.destroyed).toBe(true)
    upstream.sockets.clear()
    const again = await connected(gateway.port)
    for (const each of upstream.sockets) each.destroy()
    again.socket.resume()
    await closed(again.socket)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('drains for as long as it may, and is cut off then', async () => {
    const { gateway, books } = await start()
    const { socket } = await connected(gateway.port)
    socket.resume()
    expect(await drainServers([gateway.server], gateway.dataPlane, 50)).toBe(false)
    await closed(socket)
    await expect.poll(() => books.entries).toEqual(['serve', 'commit'])
  })

  it('with a body is 400, and with an HTTP/2 upstream 501', async () => {
    const { gateway } = await start()
    const socket = open(gateway.port)
    socket.write(`${asking('/free/x', ['Content-Length: 2'])}hi`)
    expect(parseAnswer(await readAll(socket)).status).toBe(400)
    const h2 = await startH2Upstream((stream) => stream.respond({}, { endStream: true }))
    const other = await startGateway({ routing: [tableOf(h2.origin)] })
    const second = open(other.port)
    second.write(asking('/free/x'))
    expect(parseAnswer(await readAll(second)).status).toBe(501)
  })
})
