import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect, constants, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { depositAt } from '../../test/matrix-sessions.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { sessions } from '../server/payment-scheme/session/desk.ts'
import type { L402Route } from '../server/route-gates.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { nodeBody } from './lib/node-body.ts'
import { l402, type NodeHandler } from './node.ts'

type Listener = (req: IncomingMessage, res: ServerResponse) => void

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function serve(listener: Listener): Promise<ClientHttp2Session> {
  // The compatible half is given out for what `node:http` has.
  const server = createServer(listener as never)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  closing.push(
    () => client.destroy(),
    () => server.close(),
  )
  return client
}

/** A server of one route, and a session that is paid for there. */
async function sell(offer: Omit<L402Route, 'name'>, handler: NodeHandler, ledger: Partial<Ledger> = {}) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const desk = sessions({ store, network: 'regtest', idleTimeoutSeconds: null })
  closing.push(() => void desk.stop())
  const toll = l402({
    ...{ lightning, sessions: desk, store: { ...store, revocationEpoch: 0, ...ledger } },
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
    services: { weather: {} },
  })
  const route = toll({ name: '/x', ...offer }, handler)
  const client = await serve((req, res) => void route(req, res).catch(() => {}))
  const session = await depositAt({
    lightning,
    async ask(lines) {
      const stream = client.request({ ':path': '/x', ...lines })
      const headers = await new Promise<Record<string, string>>((resolve) => {
        stream.on('response', (said) => resolve(said as never))
      })
      const line = headers['www-authenticate'] ?? ''
      return new Response(await text(stream), { headers: { 'WWW-Authenticate': line } })
    },
  })
  return { client, store, session }
}

describe('the adapter for node:http, over HTTP/2', () => {
  it('reads a body and puts it back, and knows no length of one that states none', async () => {
    const pricer = { readsBody: false } as Parameters<ReturnType<typeof nodeBody>['priced']>[1]
    const client = await serve(async (req, res) => {
      const body = nodeBody(req)
      const { bodyBytes } = await body.priced('', pricer)
      const { bodyHead = new Uint8Array() } = await body.priced('', { ...pricer, readsBody: true })
      res.end(`${bodyBytes} ${bodyHead.length} ${(await text(req)).length}`)
    })
    const ask = (pieces: readonly string[], lines: Record<string, string> = {}): Promise<string> => {
      const stream = client.request({ ':method': 'POST', ...lines }, { endStream: pieces.length === 0 })
      for (const piece of pieces) stream.write(piece)
      if (pieces.length > 0) stream.end()
      return text(stream)
    }
    expect(await ask([])).toBe('0 0 0')
    expect(await ask(['one', 'two'])).toBe('null 6 6')
    expect(await ask(['one'], { 'content-length': '3' })).toBe('3 3 3')
    expect(await ask(['x'.repeat(300_000), 'y'])).toBe('null 65536 300001')
  })

  it('does nothing for a client that has left while the gate was asked, and gives the use back', async () => {
    let runs = 0
    const reserved = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const released: unknown[] = []
    const books = memoryStore()
    const { client, session } = await sell(
      { price: '1 sat', grants: { calls: 2 } },
      (_, res) => {
        runs++
        res.end('here')
      },
      {
        ...books,
        revocationEpoch: 0,
        async reserve(ask) {
          asked.resolve()
          await reserved.promise
          return books.reserve(ask)
        },
        async release(id) {
          released.push(id)
          await books.release(id)
        },
      },
    )
    const stream = client.request({ ':path': '/x', authorization: session.credential })
    stream.on('error', () => {})
    await asked.promise
    stream.close(constants.NGHTTP2_CANCEL)
    // The server has heard of it once it answers what was sent behind it.
    await new Promise((resolve) => client.ping(resolve))
    reserved.resolve()
    await expect.poll(() => released).toHaveLength(1)
    expect(runs).toBe(0)
  })

  it.each(['throws', 'cuts its answer off'])(
    'breaks an event stream off where its handler %s',
    async (how) => {
      const { client, session } = await sell(
        { price: '10 sat', grants: { credit: '10 sat' }, charge: { events: '3 sat', estimate: '4 sat' } },
        (_, res) => {
          res.writeHead(200, { 'Content-Type': 'text/event-stream' })
          res.write('data: 1\n\n')
          if (how === 'throws') throw new Error('the handler’s own')
          res.destroy()
        },
      )
      const stream = client.request({ ':path': '/x', ...session.lines })
      stream.on('error', () => {}).resume()
      await new Promise((resolve) => stream.once('close', resolve))
      expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    },
  )
})
