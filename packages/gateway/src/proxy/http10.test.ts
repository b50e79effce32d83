import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  open,
  parseAnswer,
  readAll,
  readUntil,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'

afterEach(closeAll)

async function start(handler: Parameters<typeof startUpstream>[0]) {
  const upstream = await startUpstream(handler)
  return startGateway({ routing: [tableOf(upstream.origin)] })
}

describe('an HTTP/1.0 client', () => {
  it('gets a body of unknown length up to the end of the connection, without chunks', async () => {
    const { port } = await start((_, res) => {
      res.write('one ')
      res.end('two')
    })
    for (const line of ['', 'Connection: keep-alive\r\n']) {
      const text = await sendRaw(port, `GET /free/x HTTP/1.0\r\n${line}\r\n`)
      expect(text).toMatchObject({ status: 200, body: 'one two' })
      expect(text.head).not.toMatch(/transfer-encoding/i)
      expect(text.head).toMatch(/^Connection: close$/m)
    }
  })

  it('keeps its connection only where it asks for it and the length is known', async () => {
    const { port } = await start((_, res) => res.setHeader('Content-Length', 2).end('ok'))
    expect(parseAnswer(await sendAll(port, '')).head).toMatch(/^Connection: close$/m)
    const socket = open(port)
    for (let i = 0; i < 2; i++) {
      socket.write('GET /free/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
      expect(await readUntil(socket, /ok$/)).toMatch(/^Connection: keep-alive\r$/m)
    }
    socket.destroy()
  })

  it('gets no 1xx, and no trailers', async () => {
    const { port } = await start((req, res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      res.writeHead(200, { Trailer: 'X-Sum' })
      req.resume().on('end', () => {
        res.write('body')
        res.addTrailers({ 'X-Sum': '1' })
        res.end()
      })
    })
    const text = await sendAll(port, 'Expect: 100-continue\r\nContent-Length: 2\r\n', 'hi')
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).toMatch(/\r\n\r\nbody$/)
  })
})

function sendAll(port: number, lines: string, body = ''): Promise<string> {
  const socket = open(port)
  socket.write(`${body === '' ? 'GET' : 'POST'} /free/x HTTP/1.0\r\n${lines}\r\n${body}`)
  return readAll(socket)
}
