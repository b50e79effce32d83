import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ask, open, type Response, readAll, readUntil, statusesIn, until } from './client.ts'
import { type Bought, buy, cleanUp, type Program, start } from './program.ts'
import { closeUpstreams, startRawUpstream } from './upstream.ts'

// Every connection of the upstream does what the test of the moment wants with each request on it.
type Behaviour = (socket: Socket, head: string) => void
const ok: Behaviour = (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
let behaviour: Behaviour = ok
let asked = 0
let upstream: { origin: string; port: number; close(): Promise<void> }
const onConnection = (socket: Socket): void => {
  socket.on('data', (chunk: Buffer) => {
    const text = chunk.toString('latin1')
    if (!/ HTTP\/1\.1\r\n/.test(text)) return
    asked++
    behaviour(socket, text)
  })
}

let gateway: Program
beforeAll(async () => {
  upstream = await startRawUpstream(onConnection)
  gateway = await start({
    upstream: upstream.origin,
    service: 'timeout: 1s',
    routes: ['{ match: "/free/*", free: true }', '{ match: "/paid/*", price: 1 sat, grants: { calls: 2 } }'],
  })
})
afterEach(() => {
  behaviour = ok
  asked = 0
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

const use = (bought: Bought): Promise<Response> =>
  ask(gateway.url, 'GET', '/paid/x', { headers: { Authorization: bought.authorization } })

/** The credential opens exactly so often, and then no more. */
async function expectLeft(bought: Bought, calls: number): Promise<void> {
  behaviour = ok
  const statuses: number[] = []
  for (let i = 0; i <= calls; i++) statuses.push((await use(bought)).status)
  expect(statuses).toEqual([...Array.from({ length: calls }, () => 200), 402])
}

function expectProblem(answer: Response, status: number, code: string): void {
  expect([answer.status, answer.header('content-type')]).toEqual([status, 'application/problem+json'])
  expect(answer.header('cache-control')).toBe('no-store')
  expect(JSON.parse(answer.body)).toMatchObject({ status, code, type: expect.stringContaining(code) })
  expect(answer.body).not.toMatch(/127\.0\.0\.1|ECONN|\.ts|\.js|undici/)
}

describe('an upstream that does not answer gives the call back', () => {
  it.each<[string, Behaviour, number, string]>([
    ['closes at once', (socket) => void socket.end(), 502, 'upstream_closed'],
    ['resets at once', (socket) => void socket.resetAndDestroy(), 502, 'upstream_closed'],
    ['closes in its head', (socket) => void socket.end('HTTP/1.1 200 OK\r\nX-'), 502, 'upstream_closed'],
    ['speaks no HTTP', (socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n'), 502, 'upstream_invalid'],
    [
      'has two lengths',
      (s) => void s.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok'),
      502,
      'upstream_invalid',
    ],
    [
      'has a short body',
      (s) => void s.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok'),
      502,
      'upstream_closed',
    ],
    [
      'sends a head of a megabyte',
      (s) => void s.write(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(1_000_000)}\r\n\r\n`),
      502,
      'upstream_invalid',
    ],
    [
      'switches protocols',
      (s) => void s.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      502,
      'upstream_closed',
    ],
    ['says nothing', () => {}, 504, 'upstream_timeout'],
    [
      'says it is processing for ever',
      (s) => void s.write('HTTP/1.1 102 Processing\r\n\r\n'),
      504,
      'upstream_timeout',
    ],
    [
      'stops in a short body',
      (s) => void s.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok'),
      504,
      'upstream_timeout',
    ],
  ])('it %s', async (_, misbehave, status, code) => {
    const bought = await buy(gateway, '/paid/x')
    behaviour = misbehave
    const startedAt = performance.now()
    expectProblem(await use(bought), status, code)
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    await expectLeft(bought, 2)
  })

  it.each([500, 502, 503, 599])('it answers %d, which goes to the client as it is', async (status) => {
    const bought = await buy(gateway, '/paid/x')
    behaviour = (socket) =>
      void socket.write(`HTTP/1.1 ${status} Oh\r\nX-Own: yes\r\nContent-Length: 4\r\n\r\noops`)
    const answer = await use(bought)
    expect([answer.status, answer.body, answer.header('x-own')]).toEqual([status, 'oops', 'yes'])
    await expectLeft(bought, 2)
  })

  it('it is down, and works again when it is back', async () => {
    const bought = await buy(gateway, '/paid/x')
    await upstream.close()
    expectProblem(await use(bought), 502, 'upstream_unreachable')
    expect((await ask(gateway.url, 'GET', '/paid/x')).status).toBe(402)
    upstream = await startRawUpstream(onConnection, upstream.port)
    await expectLeft(bought, 2)
  })

  it('many at once, every one is given back', async () => {
    const bought = await buy(gateway, '/paid/x')
    behaviour = (socket) => void socket.resetAndDestroy()
    const statuses = new Set<number>()
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (let i = 0; i < 5; i++) statuses.add((await use(bought)).status)
      }),
    )
    expect([...statuses].every((status) => status === 502 || status === 402)).toBe(true)
    await expectLeft(bought, 2)
  })
})

describe('an answer that breaks off', () => {
  it('in the middle does not look whole, and the call is given back', async () => {
    const bought = await buy(gateway, '/paid/x')
    for (const head of [
      'Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n',
      'Content-Length: 999999\r\n\r\nbegun',
    ]) {
      let breakOff = (): void => {}
      behaviour = (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}`)
        breakOff = () => void socket.resetAndDestroy()
      }
      const socket = open(gateway.port)
      socket.write(`GET /paid/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`)
      await readUntil(socket, /begun/)
      const rest = readAll(socket)
      breakOff()
      expect(await rest).toBe('')
    }
    await expectLeft(bought, 2)
  })

  it('because the client left, after it had some of it, is used', async () => {
    const bought = await buy(gateway, '/paid/x')
    let gone = false
    behaviour = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n')
      socket.once('close', () => {
        gone = true
      })
    }
    const socket = open(gateway.port)
    socket.write(`GET /paid/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`)
    await readUntil(socket, /begun/)
    socket.resetAndDestroy()
    await until(() => gone, 'the upstream was let go')
    await expectLeft(bought, 1)
  })

  it('because the client left in its upload, before any answer, is not used', async () => {
    const bought = await buy(gateway, '/paid/x')
    let gone = false
    behaviour = (socket) => {
      socket.once('close', () => {
        gone = true
      })
    }
    const socket = open(gateway.port)
    socket.write(
      `POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nAuthorization: ${bought.authorization}\r\n\r\nbegun`,
    )
    await until(() => asked === 1, 'the upstream was asked')
    socket.resetAndDestroy()
    await until(() => gone, 'the upstream was let go')
    await expectLeft(bought, 2)
  })

  it('because the upload never ends is 408, and the call is given back', async () => {
    const bought = await buy(gateway, '/paid/x')
    behaviour = () => {}
    const socket = open(gateway.port)
    socket.write(
      `POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nAuthorization: ${bought.authorization}\r\n\r\nbegun`,
    )
    const text = await readUntil(socket, /request_timeout/)
    expect(statusesIn(text)).toEqual([408])
    socket.destroy()
    await expectLeft(bought, 2)
  })

  it('by many clients at once leaves the gateway whole', async () => {
    const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
    behaviour = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => {
        if (!socket.writable) return
        // Not at once: everything here runs in one process, and must let the others have their turn.
        socket.once('drain', () => setImmediate(more)).write(chunk)
      }
      more()
    }
    const clients = Array.from({ length: 100 }, () => {
      const socket = open(gateway.port)
      socket.write('GET /free/x HTTP/1.1\r\nHost: a\r\n\r\n')
      return socket
    })
    await Promise.all(clients.map((socket) => readUntil(socket, /200 OK/)))
    for (const socket of clients) socket.resetAndDestroy()
    behaviour = ok
    await until(async () => {
      const { body } = await ask(gateway.admin, 'GET', '/metrics')
      return /^turnpike_requests_in_flight 0$/m.test(body)
    }, 'no request is under way')
    expect((await ask(gateway.url, 'GET', '/free/x')).body).toBe('ok')
  })
})

it('an answer that comes in odd pieces is passed on as it is', async () => {
  const answer =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: t\r\n\r\n'
  behaviour = (socket) => {
    for (const [i, byte] of [...answer].entries())
      setImmediate(() => setTimeout(() => socket.write(byte), i / 10))
  }
  const socket = open(gateway.port)
  socket.write('GET /free/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const text = await readAll(socket)
  expect(text).toMatch(/ok\r\n0\r\nX-T: t\r\n\r\n$/)
})
