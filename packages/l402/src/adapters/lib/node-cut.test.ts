/** A client that leaves pays, however it leaves; where the seller's side cuts the connection, the use is given back. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bench, listen, openBench } from '../../../test/matrix.ts'
import { l402 } from '../node.ts'

let bench: Bench | undefined
afterEach(async () => {
  await bench?.close()
  bench = undefined
})

interface Begun {
  readonly self: Bench
  readonly credential: string
  readonly server: Server
  /** Of the request that has had the first byte of its answer. */
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly client: Socket
}

/** An answer of which the client has the first byte, and no more comes. */
async function beginAnswer(request: string): Promise<Begun> {
  const answering = Promise.withResolvers<Pick<Begun, 'req' | 'res'>>()
  let server: Server | undefined
  const self = await openBench((options) => {
    const paid = l402(options)({ name: '/x', price: '1 sat' }, (req, res) => {
      if (req.headers['x-again'] !== undefined) return void res.end('whole')
      req.resume()
      req.once('end', () => res.write('part'))
      answering.resolve({ req, res })
    })
    server = createServer((req, res) => void paid(req, res).catch(() => {}))
    return listen(server)
  })
  bench = self
  const credential = await self.buy('GET', '/x')
  const client = connect({ port: self.port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => {})
  client.write(request.replace('\r\n', `\r\nHost: x\r\nAuthorization: ${credential}\r\n`))
  const [seen] = await Promise.all([answering.promise, once(client, 'data')])
  return { self, credential, server: server as Server, ...seen, client }
}

/** Once the connection has closed: whether the use may be had again. */
async function isGivenBack({ self, credential, req }: Begun): Promise<boolean> {
  await expect.poll(() => req.socket.closed).toBe(true)
  const headers = ['Authorization', credential, 'X-Again', '1']
  return (await self.send('GET', '/x', { headers })).status === 200
}

const GET = 'GET /x HTTP/1.1\r\n\r\n'
const POST = 'POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi'

describe('an answer whose connection closes before its end', () => {
  it.each<[string, string, (begun: Begun) => unknown]>([
    ['where the handler destroys the socket', GET, ({ req }) => req.socket.destroy()],
    ['of a request with a body', POST, ({ req }) => req.socket.destroy()],
    ['where the server is closed', GET, ({ server }) => server.closeAllConnections()],
  ])('is given back %s', async (_, request, cut) => {
    const begun = await beginAnswer(request)
    cut(begun)
    expect(await isGivenBack(begun)).toBe(true)
  })

  it.each<[string, string, (begun: Begun) => unknown]>([
    ['ends the connection', GET, ({ client }) => client.end()],
    ['destroys it', POST, ({ client }) => client.destroy()],
    ['resets it', GET, ({ client }) => client.resetAndDestroy()],
    [
      'sends what the server hangs up on without an error',
      GET,
      ({ client, server }) => {
        server.on('clientError', (_error, socket) => socket.destroy())
        client.write('\0\0\r\n\r\n')
      },
    ],
    [
      'does so behind a body',
      POST,
      ({ client, server }) => {
        server.on('clientError', (_error, socket) => socket.destroy())
        client.write('\0\0\r\n\r\n')
      },
    ],
    [
      // As TLS says it of what it cannot decrypt.
      'spoils what the server hangs up on without an error',
      GET,
      ({ req, server }) => {
        server.on('clientError', (_error, socket) => socket.destroy())
        req.socket.emit('error', new Error('bad record'))
      },
    ],
    [
      'ends its half before this side ends the other',
      GET,
      async ({ client, req }) => {
        req.socket.once('end', () => req.socket.destroy())
        client.end()
      },
    ],
    [
      'leaves, and the handler destroys its answer because of that',
      GET,
      ({ client, req, res }) => {
        req.once('aborted', () => res.destroy())
        client.destroy()
      },
    ],
    [
      'resets, and the handler sees it before anybody else',
      GET,
      ({ client, req, res }) => {
        req.socket.prependListener('close', () => res.destroy())
        client.resetAndDestroy()
      },
    ],
    [
      'ends its half, and the handler destroys its answer because of that',
      GET,
      ({ client, req, res }) => {
        req.socket.once('end', () => res.destroy())
        client.end()
      },
    ],
    ['lets the connection idle for too long', GET, ({ req }) => req.socket.setTimeout(1)],
    [
      'lets it idle until a listener hangs up',
      GET,
      ({ req, server }) => {
        server.on('timeout', (socket: Socket) => socket.destroy())
        req.socket.setTimeout(1)
      },
    ],
  ])('is charged where the client %s', async (_, request, leave) => {
    const begun = await beginAnswer(request)
    await leave(begun)
    expect(await isGivenBack(begun)).toBe(false)
    begun.client.destroy()
  })

  it('is charged where the client had sent half of another request, and a listener hangs up on that', async () => {
    const begun = await beginAnswer(`${GET}GET /e HT`)
    begun.server.on('clientError', (_error, socket) => socket.destroy())
    begun.server.emit('clientError', new Error('timed out'), begun.req.socket)
    expect(await isGivenBack(begun)).toBe(false)
  })

  it('is given back where the handler destroys its answer by itself', async () => {
    const begun = await beginAnswer(GET)
    begun.res.destroy()
    expect(await isGivenBack(begun)).toBe(true)
  })
})
