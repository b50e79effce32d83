import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Books,
  closeAll,
  get,
  passGate,
  request,
  sendRaw,
  startGateway,
  startRawUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'

afterEach(closeAll)

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** An upstream that answers the first request of each connection, and closes at the second one. */
async function start(second: (socket: Socket) => void = (socket) => void socket.end()) {
  const targets: string[] = []
  let connections = 0
  const { origin } = await startRawUpstream((socket) => {
    connections++
    let requests = 0
    socket.on('data', (chunk: Buffer) => {
      targets.push(chunk.toString('latin1').split(' HTTP', 1)[0] ?? '')
      if (++requests === 1) socket.write(OK)
      else second(socket)
    })
  })
  const books: Books = { entries: [] }
  const gateway = await startGateway({ routing: [tableOf(origin)], gate: passGate(books) })
  return { gateway, books, targets, connections: () => connections }
}

describe('a kept connection that the upstream closes just when a request goes out on it', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => void socket.end()],
    ['resets', (socket) => void socket.resetAndDestroy()],
  ])('(%s) GET is sent once more, on a new connection, and used once', async (_, second) => {
    const { gateway, books, targets, connections } = await start(second)
    expect((await get(gateway.port, '/paid/1')).body).toBe('ok')
    expect((await get(gateway.port, '/paid/2')).body).toBe('ok')
    expect(targets).toEqual(['GET /paid/1', 'GET /paid/2', 'GET /paid/2'])
    expect(connections()).toBe(2)
    expect(books.entries).toEqual(['serve', 'commit', 'serve', 'commit'])
  })

  it('POST is not: it may have been carried out; the use is given back', async () => {
    const { gateway, books, targets } = await start()
    expect((await get(gateway.port, '/paid/1')).status).toBe(200)
    expect((await sendRaw(gateway.port, request('POST', '/paid/2'))).status).toBe(502)
    expect(targets).toEqual(['GET /paid/1', 'POST /paid/2'])
    expect(books.entries).toEqual(['serve', 'commit', 'release'])
  })

  it('GET is not, once some of the answer came', async () => {
    const { gateway, targets } = await start((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun')
      setImmediate(() => socket.end())
    })
    await get(gateway.port, '/paid/1')
    expect((await get(gateway.port, '/paid/2')).status).toBe(502)
    expect(targets).toHaveLength(2)
  })
})

it('a new connection that closes before it answered is not tried again', async () => {
  let connections = 0
  const { origin } = await startRawUpstream((socket) => {
    connections++
    socket.once('data', () => socket.end())
  })
  const gateway = await startGateway({ routing: [tableOf(origin)] })
  expect((await get(gateway.port, '/free/1')).status).toBe(502)
  expect((await get(gateway.port, '/free/2')).status).toBe(502)
  expect(connections).toBe(2)
})
