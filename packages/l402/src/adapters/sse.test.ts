/** Event streams of sessions as each framework's own way of sending them has it. */

import { createServer, type Server } from 'node:http'
import { PassThrough } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import Router from '@koa/router'
import { Sse, UseGuards } from '@nestjs/common'
import { initTRPC } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import Koa from 'koa'
import { from } from 'rxjs'
import { expect, it } from 'vitest'
import { listen, type Mount, openBench } from '../../test/matrix.ts'
import { dataOf, sessionAt } from '../../test/matrix-sessions.ts'
import { addHandler, listenNest } from '../../test/support/nest-app.ts'
import { l402 as expressL402 } from './express.ts'
import { l402 as fastifyL402 } from './fastify.ts'
import { l402 as honoL402 } from './hono.ts'
import { l402 as koaL402 } from './koa.ts'
import { l402 as nestL402 } from './nest.ts'
import { l402 as trpcL402 } from './trpc.ts'

const OFFER = {
  price: '10 sat',
  grants: { credit: '10 sat' },
  charge: { events: '3 sat', estimate: '4 sat' },
} as const
const ROUTE = { ...OFFER, name: 'GET /events' }
const NUMBERS = [1, 2, 3, 4]
const SSE = { 'Content-Type': 'text/event-stream' }

const hono: Mount = (options) => {
  const app = new Hono()
  app.get('/events', honoL402(options)(ROUTE), (c) =>
    streamSSE(c, async (stream) => {
      for (const n of NUMBERS) await stream.writeSSE({ data: String(n) })
    }),
  )
  return listen(createAdaptorServer({ fetch: app.fetch }) as Server)
}

const nest: Mount = (options) => {
  class Shop {}
  addHandler(Shop, 'events', {
    value: () => from(NUMBERS.map((data) => ({ data: String(data) }))),
    decorators: [Sse('/events'), UseGuards(nestL402(options)(ROUTE))],
  })
  return listenNest(Shop)
}

const fastifyRaw: Mount = async (options) => {
  const app = fastify({ forceCloseConnections: true })
  app.get('/events', { onRequest: fastifyL402(options)(ROUTE) }, (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, SSE)
    for (const n of NUMBERS) reply.raw.write(`data: ${n}\n\n`)
    reply.raw.end()
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: Number(new URL(url).port), close: () => app.close() }
}

const koa: Mount = (options) => {
  const router = new Router()
  router.get('/events', koaL402(options)(ROUTE), (ctx) => {
    const body = new PassThrough()
    ctx.set(SSE)
    ctx.body = body
    for (const n of NUMBERS) body.write(`data: ${n}\n\n`)
    body.end()
  })
  const app = new Koa()
  app.use(router.routes())
  return listen(createServer(app.callback()))
}

const expressWrites: Mount = (options) => {
  const app = express()
  app.get('/events', expressL402(options)(ROUTE), (_req, res) => {
    res.set(SSE).flushHeaders()
    for (const n of NUMBERS) res.write(`data: ${n}\n\n`)
    res.end()
  })
  return listen(createServer(app))
}

it.each<[string, Mount]>([
  ['Hono’s streamSSE', hono],
  ['Nest’s @Sse()', nest],
  ['Fastify’s reply.raw', fastifyRaw],
  ['a stream as Koa’s body', koa],
  ['Express’s res.write', expressWrites],
])('%s waits for a top-up, and ends with a receipt', async (_, mount) => {
  const self = await openBench(mount)
  try {
    const session = await sessionAt(self, '/events')
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    expect(text()).not.toContain('data: 4\n')
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    for (const n of NUMBERS) expect(text()).toContain(`data: ${n}\n`)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
    expect(await session.books()).toMatchObject({ used: 12_000n, lost: 0n })
  } finally {
    await self.close()
  }
})

it('a tRPC subscription of a session goes on as its client knows it, and has a receipt behind its end', async () => {
  const t = initTRPC.create()
  const router = t.router({
    watch: t.procedure.subscription(async function* () {
      yield 'one'
      yield 'two'
    }),
  })
  const self = await openBench((options) => {
    const fetch = trpcL402(options)(
      { watch: OFFER },
      { endpoint: '/trpc', handle: (req) => fetchRequestHandler({ endpoint: '/trpc', req, router }) },
    )
    return listen(createAdaptorServer({ fetch: (request) => fetch(request) }) as Server)
  })
  try {
    const session = await sessionAt(self, '/trpc/watch')
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(text()).toMatch(/^event: connected\n.*data: "one"\n.*data: "two"\n.*event: return\n/s)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
  } finally {
    await self.close()
  }
})
