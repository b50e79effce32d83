/** A shop behind the real paywall on a real socket, paid by sandbox Lightning, for clients of every kind. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { l402 } from '../../src/adapters/node.ts'
import { type Sandbox, sandboxLightning } from '../../src/lightning/sandbox/index.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'

/** What came to the resource itself. */
interface Served {
  readonly method: string
  readonly body: string
  readonly headers: IncomingMessage['headers']
}

/** A running shop. */
export interface Shop extends AsyncDisposable {
  readonly origin: string
  readonly lightning: Sandbox
  readonly served: Served[]
  /** Requests, paid or not. */
  requests: number
  spentMsat(): Promise<bigint>
}

/** Starts a shop: `POST /query` costs 10 sat for two calls, `GET /pass` 20 sat for an hour, `GET /cut` 1 sat for an
 * answer that breaks off, `/free` nothing; `/there` redirects to the pass. */
export async function startShop(lightning?: Sandbox): Promise<Shop> {
  const sandbox = lightning ?? (await sandboxLightning())
  const toll = l402({
    lightning: sandbox,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(7), active: true }],
    services: { shop: {} },
  })
  const before = await sandbox.sellerBalanceMsat()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    shop.served.push({ method: request.method ?? '', body, headers: request.headers })
    response.setHeader('x-shop', 'open')
    response.end(`served ${body}`)
  }
  const query = toll({ name: 'POST /query', price: '10 sat', grants: { calls: 2 } }, answer)
  const pass = toll({ name: 'GET /pass', price: '20 sat', grants: { valid: '1h' } }, answer)
  const cut = toll({ name: 'GET /cut', price: '1 sat', grants: { calls: 1 } }, async (_, response) => {
    response.writeHead(200, { 'content-length': '99' }).write('half')
    await new Promise((resolve) => setImmediate(resolve))
    response.destroy()
  })
  const server = createServer((request, response) => {
    shop.requests++
    const path = new URL(request.url ?? '/', 'http://shop.invalid').pathname
    const route = { '/query': query, '/pass': pass, '/cut': cut }[path]
    if (route) void route(request, response).catch(() => response.destroy())
    else if (path === '/there') response.writeHead(302, { location: '/pass' }).end()
    else if (path === '/bare') response.writeHead(402).end('no challenge')
    else void answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const shop: Shop = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lightning: sandbox,
    served: [],
    requests: 0,
    spentMsat: async () => (await sandbox.sellerBalanceMsat()) - before,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      if (!lightning) await sandbox.close()
    },
  }
  return shop
}
