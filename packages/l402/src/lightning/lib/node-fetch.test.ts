/** Certificates pinned, and the way through a SOCKS proxy. */

import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { nodeFetch } from './node-fetch.ts'
import { restClient } from './rest.ts'

const open: Server[] = []
afterEach(() => {
  for (const server of open.splice(0)) server.close()
})

async function listening(server: Server): Promise<number> {
  open.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const node = (): Promise<number> =>
  listening(
    createHttp((request, response) =>
      response.end(JSON.stringify({ path: request.url, host: request.headers.host })),
    ),
  )

/** A SOCKS 5 proxy that leads every name to `port`; `reply` is its answer. */
function socksProxy(port: number, reply = 0): { readonly server: Server; readonly asked: string[] } {
  const asked: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]))
      socket.once('data', (request: Buffer) => {
        const length = request[4] ?? 0
        const name = request.subarray(5, 5 + length).toString()
        asked.push(`${name}:${request.readUInt16BE(5 + length)}`)
        socket.write(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if (reply !== 0) return
        const target = connect(port, '127.0.0.1')
        target.on('error', () => {})
        socket.pipe(target).pipe(socket)
      })
    })
  })
  return { server, asked }
}

it('reaches a name that only the proxy can resolve', async () => {
  const { server, asked } = socksProxy(await node())
  const proxy = `socks5h://127.0.0.1:${await listening(server)}`
  const rest = restClient({
    name: 'node',
    url: 'http://abc.onion:8080',
    headers: {},
    fetch: nodeFetch({ proxy }),
  })
  expect(await rest.call('v1/getinfo')).toMatchObject({
    kind: 'answered',
    status: 200,
    body: { path: '/v1/getinfo', host: 'abc.onion:8080' },
  })
  expect(asked).toEqual(['abc.onion:8080'])
})

it.each([
  ['refuses the connection', 5],
  ['cannot reach the host', 4],
])('says that nothing was sent where the proxy %s', async (_, reply) => {
  const { server } = socksProxy(0, reply)
  const proxy = `socks5h://127.0.0.1:${await listening(server)}`
  const rest = restClient({ name: 'node', url: 'http://abc.onion', headers: {}, fetch: nodeFetch({ proxy }) })
  expect(await rest.call('v1/getinfo')).toMatchObject({ kind: 'refused' })
})

it('says that nothing was sent where there is no proxy, or none that speaks SOCKS', async () => {
  const http = `socks5h://127.0.0.1:${await node()}`
  for (const proxy of ['socks5h://127.0.0.1:9', http]) {
    const rest = restClient({
      name: 'node',
      url: 'http://abc.onion',
      headers: {},
      fetch: nodeFetch({ proxy }),
    })
    expect(await rest.call('v1/getinfo')).toMatchObject({ kind: 'refused' })
  }
})

it('refuses settings that cannot be meant', () => {
  expect(() => nodeFetch({ proxy: 'http://127.0.0.1:9050' })).toThrow('expected a SOCKS 5 proxy')
  expect(() => nodeFetch({ tlsCert: 'secret' })).toThrow('expected a certificate in PEM')
  for (const url of ['', 'node:8080', 'ftp://h', 'https://u:p@h', 'https://h?x'])
    expect(() => restClient({ name: 'node', url, headers: {} })).toThrow(TypeError)
})
