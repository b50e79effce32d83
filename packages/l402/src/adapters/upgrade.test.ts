import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import { serve, upgradeWebSocket } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { identifierOf, listen } from '../../test/matrix.ts'
import { segmentsOf } from '../../test/matrix-answers.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { L402Access } from '../server/access.ts'
import type { L402Options, L402Route } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { l402 as expressL402 } from './express.ts'
import { l402 as fastifyL402 } from './fastify.ts'
import { l402 as honoL402 } from './hono.ts'
import { l402 as koaL402 } from './koa.ts'
import type { UpgradeToll } from './lib/upgrade-toll.ts'
import { l402 as nodeL402 } from './node.ts'

const ROUTES: readonly L402Route[] = [
  { name: '/forecast/x', price: '1 sat', grants: { calls: 2 } },
  { name: '/feed', price: '1 sat', grants: { calls: 2 } },
  { name: '/minute', price: '1 sat', grants: { valid: '2s' } },
  {
    name: '/metered',
    price: '2 sat',
    grants: { credit: '2 sat' },
    charge: { fixed: '500 msat', seconds: '20 sat', estimate: '1 sat' },
  },
  { name: '/free', free: true },
]

interface Running {
  readonly server: Server
  /** Who has paid, of each socket that was opened. */
  readonly opened: (L402Access | null)[]
}
type Mount = (options: L402Options) => Promise<Running>

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Listeners of the server's own, one for each path. */
function onServer(
  make: (options: L402Options) => { readonly server: Server; readonly upgrade: UpgradeToll },
): Mount {
  return async (options) => {
    const { server, upgrade } = make(options)
    const opened: (L402Access | null)[] = []
    const sockets = new WebSocketServer({ noServer: true })
    const routes = new Map(
      ROUTES.map((route) => [
        route.name,
        upgrade(route, (req, socket, head, access) => {
          if (req.headers['x-throws'] !== undefined) throw new Error('the handler’s own')
          if (req.headers['x-down'] !== undefined) {
            socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
            return
          }
          opened.push(access)
          sockets.handleUpgrade(req, socket, head, echo)
        }),
      ]),
    )
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      const route = routes.get(
        `/${segmentsOf(req.url ?? '')
          .join('/')
          .toLowerCase()}`,
      )
      if (route === undefined) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
      else route(req, socket, head).catch(() => {})
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    return { server, opened }
  }
}

function echo(socket: WebSocket): void {
  socket.on('message', (data) => socket.send(String(data)))
}

const MOUNTS: Readonly<Record<string, Mount>> = {
  'node:http': onServer((options) => ({ server: createServer(), upgrade: nodeL402(options).upgrade })),
  Express: onServer((options) => ({
    server: createServer(express()),
    upgrade: expressL402(options).upgrade,
  })),
  Koa: onServer((options) => ({
    server: createServer(new Koa().callback()),
    upgrade: koaL402(options).upgrade,
  })),
  async Fastify(options) {
    const toll = fastifyL402(options)
    const app = fastify({ forceCloseConnections: true, routerOptions: { caseSensitive: false } })
    const opened: (L402Access | null)[] = []
    await app.register(websocket)
    for (const route of ROUTES)
      app.get(route.name, { websocket: true, onRequest: toll(route) }, (socket, request) => {
        opened.push(request.l402 ?? null)
        echo(socket)
      })
    await app.listen({ host: '127.0.0.1', port: 0 })
    return { server: app.server, opened }
  },
  async Hono(options) {
    const toll = honoL402(options)
    const app = new Hono()
    const opened: (L402Access | null)[] = []
    for (const route of ROUTES)
      app.get(
        route.name,
        toll(route),
        upgradeWebSocket((c) => {
          opened.push(c.get('l402'))
          return { onMessage: (event, socket) => socket.send(String(event.data)) }
        }),
      )
    const sockets = new WebSocketServer({ noServer: true })
    return new Promise((resolve) => {
      const server = serve(
        {
          fetch: app.fetch,
          hostname: '127.0.0.1',
          port: 0,
          websocket: {
            server: sockets as Parameters<typeof serve>[0] extends { websocket?: { server: infer S } }
              ? S
              : never,
          },
        },
        () => resolve({ server: server as Server, opened }),
      )
    })
  },
}

interface Refused {
  readonly status: number
  readonly challenge: string
  readonly body: string
}

async function open(mount: Mount, lists: Pick<L402Options, 'allow'> = {}) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const { server, opened } = await mount({
    lightning,
    store,
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
    services: { feed: {} },
    challengeLimit: { limit: null, perSeconds: 1 },
    ...lists,
  })
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  function connect(
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<WebSocket | Refused> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
    closing.push(() => socket.terminate())
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(socket))
      socket.on('error', reject)
      socket.on('unexpected-response', (_, res) => {
        let body = ''
        res.setEncoding('utf8').on('data', (piece: string) => {
          body += piece
        })
        // The connection ends, since nobody reads it any more.
        res.on('close', () =>
          resolve({ status: res.statusCode ?? 0, challenge: res.headers['www-authenticate'] ?? '', body }),
        )
      })
    })
  }
  /** The status that an upgrade at this very target is answered with; 400 where the connection just ends. */
  function upgrade(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
    const req = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      agent: false,
      headers: {
        Host: 'api.example',
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      },
    })
    req.end()
    return new Promise((resolve) => {
      req.on('error', () => resolve(400)).on('response', (res) => resolve(res.resume().statusCode ?? 0))
      req.on('upgrade', (_, socket) => {
        socket.destroy()
        resolve(101)
      })
    })
  }
  async function refused(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Refused> {
    const got = await connect(path, headers)
    if (got instanceof WebSocket) throw new Error('expected a refusal')
    return got
  }
  async function opens(path: string, headers: Readonly<Record<string, string>> = {}): Promise<WebSocket> {
    const got = await connect(path, headers)
    if (!(got instanceof WebSocket)) throw new Error(`expected a socket, got ${got.status}`)
    return got
  }
  async function buy(path: string): Promise<string> {
    const [challenge] = findL402Challenges([(await refused(path)).challenge])
    const { amountMsat, paymentHash } = decodeInvoice(challenge?.invoice ?? '')
    const invoice = challenge?.invoice ?? ''
    const terms = { invoice, paymentHash, amountMsat: amountMsat ?? 0n, maxFeeMsat: 0n, timeoutMs: 1000 }
    const paid = await lightning.pay(terms)
    return formatCredential(
      challenge?.macaroon ?? '',
      paid.status === 'paid' ? paid.preimage : new Uint8Array(),
    )
  }
  const used = async (authorization: string): Promise<bigint | undefined> => {
    const { tokenId } = identifierOf(/^L402 ([^:]+):/.exec(authorization)?.[1] ?? '')
    return (await store.read([tokenId]))[0]?.used
  }
  return { opened, connect, upgrade, refused, opens, buy, used }
}

async function said(socket: WebSocket, text: string): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    socket.once('message', (data) => resolve(String(data)))
  })
  socket.send(text)
  return answer
}

function closed(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => {
    socket.once('close', resolve)
  })
}

describe.each(Object.entries(MOUNTS))('WebSockets of %s', (name, mount) => {
  it('are opened for what was paid for, once for each use', async () => {
    const self = await open(mount)
    const { status, challenge, body } = await self.refused('/feed')
    expect(status).toBe(402)
    expect(challenge).toMatch(/^L402 macaroon="/)
    // Hono's server sends the head of what is answered.
    if (name !== 'Hono') expect(JSON.parse(body)).toMatchObject({ code: 'missing' })
    expect(self.opened).toEqual([])
    const authorization = await self.buy('/feed')
    const first = await self.opens('/feed', { authorization })
    expect(await said(first, 'hello')).toBe('hello')
    expect(self.opened[0]).toMatchObject({ service: 'feed', left: { calls: 1 } })
    // What is open has been used, and is not there for another.
    const second = await self.opens('/feed', { authorization })
    expect((await self.refused('/feed', { authorization })).status).toBe(402)
    first.close()
    second.terminate()
    expect(await closed(first)).toBe(1005)
    expect((await self.refused('/feed', { authorization })).status).toBe(402)
    expect(await self.opens('/free')).toBeInstanceOf(WebSocket)
  })

  it('are closed when the time that was paid for is over', async () => {
    const self = await open(mount)
    const authorization = await self.buy('/minute')
    const socket = await self.opens('/minute', { authorization })
    expect(await closed(socket)).toBe(1008)
    expect((await self.refused('/minute', { authorization })).status).toBe(402)
  })

  it('are opened for no address that is shut out, where they are free neither', async () => {
    const self = await open(mount, { allow: [] })
    for (const path of ['/free', '/feed']) expect((await self.refused(path)).status).toBe(403)
    expect(self.opened).toEqual([])
  })

  it('are opened by no spelling of their path unpaid', async () => {
    const self = await open(mount)
    const authorization = await self.buy('/minute')
    // 500 is what Hono's server says to an upgrade whose target it cannot read.
    for (const path of hostileTargets('forecast', 'x'))
      for (const headers of [{}, { authorization }])
        expect([400, 402, 404, ...(name === 'Hono' ? [500] : [])], path).toContain(
          await self.upgrade(path, headers),
        )
    expect(self.opened).toEqual([])
  })
})

describe.each(['node:http', 'Express', 'Koa', 'Fastify'] as const)('a metered WebSocket of %s', (name) => {
  it('costs what it has measured, and is closed when the credit is used up', async () => {
    const self = await open(MOUNTS[name] as Mount)
    const authorization = await self.buy('/metered')
    const socket = await self.opens('/metered', { authorization })
    expect(await closed(socket)).toBe(1008)
    await expect.poll(() => self.used(authorization)).toBe(2_000n)
  })
})

describe('a WebSocket of a browser', () => {
  it('is opened by the cookie that was bought on the page of the same address', async () => {
    const lightning = memoryLightning()
    const toll = nodeL402({
      lightning,
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { feed: {} },
    })
    const feed: L402Route = { name: '/feed', price: '1 sat', grants: { valid: '1h' } }
    const page = toll(feed, (_req, res) => void res.end('here'))
    const sockets = new WebSocketServer({ noServer: true })
    const server = createServer((req, res) => void page(req, res))
    const upgraded = toll.upgrade(feed, (...call) => sockets.handleUpgrade(call[0], call[1], call[2], echo))
    server.on('upgrade', (...call) => void upgraded(...call))
    const { port, close } = await listen(server)
    closing.push(() => void close())
    const ask = (headers: Readonly<Record<string, string>>): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/feed`, { headers })
    const cookieOf = ({ headers }: Response): string =>
      headers
        .getSetCookie()
        .flatMap((line) => (line.includes('Max-Age=0;') ? [] : [line.split(';')[0]]))
        .join('; ')
    const unpaid = await ask({ accept: 'text/html' })
    const [challenge] = findL402Challenges([unpaid.headers.get('www-authenticate') ?? ''])
    const invoice = challenge?.invoice ?? ''
    const { amountMsat, paymentHash } = decodeInvoice(invoice)
    const terms = { invoice, paymentHash, amountMsat: amountMsat ?? 0n, maxFeeMsat: 0n, timeoutMs: 1000 }
    await lightning.pay(terms)
    const cookie = cookieOf(await ask({ cookie: cookieOf(unpaid), 'l402-page': '00' }))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/feed`, { headers: { cookie } })
    closing.push(() => socket.terminate())
    await new Promise((resolve, reject) => {
      socket.on('open', resolve).on('error', reject)
    })
    expect(await said(socket, 'hello')).toBe('hello')
  })
})

describe.each(['node:http', 'Express', 'Koa'] as const)('an upgrade of %s', (name) => {
  it('is given back where its handler throws or answers 5xx', async () => {
    const self = await open(MOUNTS[name] as Mount)
    const authorization = await self.buy('/feed')
    for (let i = 0; i < 3; i++) {
      await expect(self.connect('/feed', { authorization, 'x-throws': 'yes' })).rejects.toThrow()
      expect((await self.refused('/feed', { authorization, 'x-down': 'yes' })).status).toBe(503)
    }
    await expect.poll(() => self.used(authorization)).toBe(0n)
    expect(await self.opens('/feed', { authorization })).toBeInstanceOf(WebSocket)
  })

  it('says at set-up what it cannot measure', () => {
    const toll = nodeL402({
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { feed: {} },
    })
    const charge = { requestBytes: '1 msat', estimate: '1 sat' }
    const route = { name: '/feed', price: '1 sat', grants: { credit: '1 sat' }, charge }
    expect(() => toll.upgrade(route, () => {})).toThrow('expected fixed, seconds')
  })
})
