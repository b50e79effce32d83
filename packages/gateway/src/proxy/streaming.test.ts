import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { compileRoutes } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import {
  answerOk,
  closeAll,
  closed,
  get,
  open,
  parseAnswer,
  proxyRoute,
  readAll,
  readUntil,
  request,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { drainServers } from './index.ts'

afterEach(closeAll)

const BIG = Buffer.alloc(4 * 1024 * 1024, 'x')

describe('answers stream', () => {
  it('each part goes out as it comes, the head first', async () => {
    let stream: ServerResponse | undefined
    const upstream = await startUpstream((_, res) => {
      stream = res
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      res.flushHeaders()
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    expect(await readUntil(socket, /\r\n\r\n/)).toMatch(/^Content-Type: text\/event-stream$/m)
    for (const part of ['one', 'two']) {
      stream?.write(`data: ${part}\n\n`)
      await readUntil(socket, new RegExp(part))
    }
    stream?.end()
    expect(await readAll(socket)).toMatch(/0\r\n\r\n$/)
  })

  it('as fast as the client reads, and no faster', async () => {
    let written = 0
    const upstream = await startUpstream((_, res) => {
      const more = (): void => {
        while (written < 256 * 1024 * 1024) {
          written += BIG.length
          if (!res.write(BIG)) return
        }
      }
      res.on('drain', more)
      more()
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.pause()
    socket.write(request('GET', '/paid/x'))
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
    expect(written).toBeLessThan(64 * 1024 * 1024)
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('whole and unchanged, small and large, on kept connections', async () => {
    const sizes = [0, 1, 65_535, 65_536, 1_000_000]
    const upstream = await startUpstream((req, res) => {
      const [, , size = '', how] = (req.url ?? '').split('/')
      const body = Buffer.alloc(Number(size), 'abcdefgh')
      if (how === 'length') res.setHeader('Content-Length', body.length)
      res.end(body)
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)], connectionsPerOrigin: 2 })
    for (const size of sizes) {
      for (const how of ['length', 'chunked']) {
        const answer = await fetch(`http://127.0.0.1:${gateway.port}/paid/${size}/${how}`)
        const body = Buffer.from(await answer.arrayBuffer())
        expect(body.equals(Buffer.alloc(size, 'abcdefgh')), `${size} ${how}`).toBe(true)
      }
    }
  })
})

describe('clients that leave', () => {
  it('with a full buffer do not freeze the connections to the upstream', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.url?.endsWith('big') === true) {
        res.writeHead(200, { 'Content-Length': BIG.length })
        res.end(BIG)
      } else answerOk(req, res)
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)], connectionsPerOrigin: 4 })
    for (let round = 0; round < 3; round++) {
      const leaving = Array.from({ length: 4 }, async () => {
        const socket = open(gateway.port)
        socket.write(request('GET', '/paid/big'))
        await once(socket, 'readable')
        return socket
      })
      for (const socket of await Promise.all(leaving)) socket.destroy()
    }
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
    const statuses = await Promise.all(
      Array.from({ length: 300 }, () => get(gateway.port, '/paid/x').then(({ status }) => status)),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  it('in the middle of an answer end it at the upstream', async () => {
    let gone = false
    const upstream = await startUpstream((_, res) => {
      res.write('begun')
      res.on('close', () => {
        gone = true
      })
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write(request('GET', '/paid/x'))
    await readUntil(socket, /begun/)
    socket.destroy()
    await expect.poll(() => gone).toBe(true)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })
})

describe('bodies stream', () => {
  it('each part goes upstream as it comes', async () => {
    let got = ''
    const upstream = await startUpstream((req, res) => {
      req.on('data', (chunk) => {
        got += String(chunk)
      })
      req.on('end', () => res.end('done'))
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write(
      'POST /paid/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n',
    )
    await expect.poll(() => got).toBe('one')
    socket.write('3\r\ntwo\r\n0\r\n\r\n')
    expect(await readAll(socket)).toContain('done')
    expect(got).toBe('onetwo')
  })

  it('as fast as the upstream reads, and no faster', async () => {
    const upstream = await startUpstream((req) => {
      req.on('error', () => {})
      req.pause()
    })
    // A connection that is not read does not tell that the client is gone: the timeout ends it.
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin, undefined, { timeoutMs: 2_000 })],
    })
    const socket = open(gateway.port)
    socket.write(`POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${BIG.length * 64}\r\n\r\n`)
    let sent = 0
    const more = (): void => {
      while (sent < 64) {
        sent++
        if (!socket.write(BIG)) return
      }
    }
    socket.on('drain', more)
    more()
    let before = -1
    await expect
      .poll(
        () => {
          const still = upstream.seen.length > 0 && socket.bytesWritten - socket.writableLength === before
          before = socket.bytesWritten - socket.writableLength
          return still
        },
        { interval: 200 },
      )
      .toBe(true)
    expect(sent).toBeLessThan(32)
    socket.destroy()
    await expect.poll(() => gateway.dataPlane.inFlight(), { timeout: 10_000 }).toBe(0)
  })

  it('an answer that comes before the body is whole reaches the client, and the connection goes on', async () => {
    const upstream = await startUpstream((req, res) => {
      if (req.method === 'POST') res.writeHead(413, { 'Content-Length': 3 }).end('big')
      else answerOk(req, res)
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const socket = open(gateway.port)
    socket.write('POST /paid/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
    expect(parseAnswer(await readUntil(socket, /big$/))).toMatchObject({ status: 413 })
    socket.write('def')
    socket.write(request('GET', '/free/x'))
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 200/)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('a large one goes through whole', async () => {
    let got = 0
    const upstream = await startUpstream((req, res) => {
      req.on('data', (chunk: Buffer) => {
        got += chunk.length
      })
      req.on('end', () => res.end(String(got)))
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/paid/x`, { method: 'POST', body: BIG })
    expect(await answer.text()).toBe(String(BIG.length))
  })
})

describe('a running gateway', () => {
  it('takes new routes at once; what runs on the old ones finishes', async () => {
    let finish = (): void => {}
    const before = await startUpstream((_, res) => {
      res.write('old')
      finish = () => res.end('end')
    })
    const after = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(before.origin)] })
    const running = open(gateway.port)
    running.write(request('GET', '/paid/x'))
    await readUntil(running, /old/)
    const value = proxyRoute(after.origin, '/paid/*')
    gateway.dataPlane.swap([{ routes: compileRoutes([{ match: '/paid/*', value }]) }])
    expect((await get(gateway.port, '/free/x')).status).toBe(404)
    expect((await get(gateway.port, '/paid/x')).status).toBe(200)
    expect(after.seen.length).toBe(1)
    finish()
    expect(await readAll(running)).toContain('end')
  })

  it('drains: what runs finishes, kept connections close, nothing new comes in', async () => {
    let finish = (): void => {}
    const upstream = await startUpstream((req, res) => {
      if (req.url === '/free/idle') answerOk(req, res)
      else {
        res.write('begun')
        finish = () => res.end('end')
      }
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const idle = open(gateway.port)
    idle.write('GET /free/idle HTTP/1.1\r\nHost: a\r\n\r\n')
    await readUntil(idle, /\{"ok":true\}/)
    const running = open(gateway.port)
    running.write('GET /paid/x HTTP/1.1\r\nHost: a\r\n\r\n')
    await readUntil(running, /begun/)
    const drained = drainServers([gateway.server], gateway.dataPlane, 10_000)
    await closed(idle)
    const late = open(gateway.port)
    expect(await readAll(late)).toBe('')
    finish()
    expect(await readAll(running)).toContain('end')
    expect(await drained).toBe(true)
  })

  it('cuts off what does not finish in time', async () => {
    const upstream = await startUpstream((_, res) => res.write('begun'))
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    const running = open(gateway.port)
    running.write(request('GET', '/paid/x'))
    await readUntil(running, /begun/)
    const rest = readAll(running)
    expect(await drainServers([gateway.server], gateway.dataPlane, 50)).toBe(false)
    expect(await rest).not.toContain('0\r\n\r\n')
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('does not wait for ever for header lines: 408', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      server: { headersTimeoutMs: 50 },
    })
    const answer = await sendRaw(gateway.port, 'GET /free/x HTTP/1.1\r\nHost: a\r\nX-Slow: ')
    expect(answer.status).toBe(408)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'request_timeout' })
  })
})
