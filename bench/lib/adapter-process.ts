/**
 * One framework with three routes that answer the same: `/bare`, `/pass` (a time pass) and `/call` (counted). Takes its name from
 * the command line, writes `{"port":…,"pass":"…","call":"…"}` with credentials that open the two.
 */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import Router from '@koa/router'
import {
  decodeBase64,
  decodeIdentifier,
  decodeMacaroon,
  findL402Challenges,
  formatCredential,
} from '@turnpike/l402'
import { l402 as expressL402 } from '@turnpike/l402/express'
import { l402 as fastifyL402 } from '@turnpike/l402/fastify'
import { l402 as fetchL402 } from '@turnpike/l402/fetch'
import { l402 as honoL402 } from '@turnpike/l402/hono'
import { l402 as koaL402 } from '@turnpike/l402/koa'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 as nodeL402 } from '@turnpike/l402/node'
import { memoryStore } from '@turnpike/l402/store/memory'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

const lightning = memoryLightning()
const options = {
  lightning,
  store: memoryStore(),
  keys: [{ id: 'bench', masterKey: new Uint8Array(32).fill(1), active: true }],
  services: { bench: {} },
}
const BODY = JSON.stringify({ sky: 'clear', wind: 'north-west', degrees: 21 })
const JSON_TYPE = { 'Content-Type': 'application/json', 'Content-Length': String(BODY.length) }
const PASS = { name: 'GET /pass', price: '1 sat', grants: { valid: '1d' } }
const CALL = { name: 'GET /call', price: '1 sat', grants: { calls: 1_000_000_000 } }

const servers: Record<string, () => Server | Promise<Server>> = {
  node() {
    const toll = nodeL402(options)
    const bare: RequestListener = (_req, res) => void res.writeHead(200, JSON_TYPE).end(BODY)
    const answer = (req: Parameters<RequestListener>[0], res: Parameters<RequestListener>[1]): void =>
      bare(req, res)
    const pass = toll(PASS, answer)
    const call = toll(CALL, answer)
    return createServer((req, res) => {
      if (req.url === '/pass') void pass(req, res)
      else if (req.url === '/call') void call(req, res)
      else bare(req, res)
    })
  },
  express() {
    const toll = expressL402(options)
    const answer: express.RequestHandler = (_req, res) => void res.type('json').send(BODY)
    return createServer(
      express().get('/bare', answer).get('/pass', toll(PASS), answer).get('/call', toll(CALL), answer),
    )
  },
  async fastify() {
    const toll = fastifyL402(options)
    const app = fastify()
    const answer = async (_request: unknown, reply: { type(name: string): unknown }): Promise<string> => {
      reply.type('application/json')
      return BODY
    }
    app.get('/bare', answer)
    app.get('/pass', { onRequest: toll(PASS) }, answer)
    app.get('/call', { onRequest: toll(CALL) }, answer)
    await app.ready()
    return app.server
  },
  koa() {
    const toll = koaL402(options)
    const answer = (ctx: Koa.Context): void => {
      ctx.type = 'json'
      ctx.body = BODY
    }
    const router = new Router()
    router.get('/bare', answer).get('/pass', toll(PASS), answer).get('/call', toll(CALL), answer)
    return createServer(new Koa().use(router.routes()).callback())
  },
  hono() {
    const toll = honoL402(options)
    const answer = (): Response => new Response(BODY, { headers: JSON_TYPE })
    const app = new Hono()
      .get('/bare', answer)
      .get('/pass', toll(PASS), answer)
      .get('/call', toll(CALL), answer)
    return createAdaptorServer({ fetch: app.fetch }) as Server
  },
  fetch() {
    const toll = fetchL402(options)
    const answer = (): Response => new Response(BODY, { headers: JSON_TYPE })
    const pass = toll(PASS, answer)
    const call = toll(CALL, answer)
    const fetch = (request: Request): Response | Promise<Response> =>
      request.url.endsWith('/pass') ? pass(request) : request.url.endsWith('/call') ? call(request) : answer()
    return createAdaptorServer({ fetch }) as Server
  },
}

async function buy(url: string): Promise<string> {
  const { headers } = await fetch(url)
  const [challenge] = findL402Challenges([headers.get('www-authenticate') ?? ''])
  const { macaroon = '', invoice = '' } = challenge ?? {}
  const { identifier } = decodeMacaroon(decodeBase64(macaroon) as Uint8Array)
  const { paymentHash } = decodeIdentifier(identifier)
  const paid = await lightning.pay({
    invoice,
    paymentHash,
    amountMsat: 1_000n,
    maxFeeMsat: 0n,
    timeoutMs: 5_000,
  })
  if (paid.status !== 'paid') throw new Error(paid.status)
  return formatCredential(macaroon, paid.preimage)
}

const server = await servers[process.argv[2] ?? '']?.()
if (server === undefined) throw new Error(`expected one of ${Object.keys(servers).join(', ')}`)
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  console.log(JSON.stringify({ port, pass: await buy(`${url}/pass`), call: await buy(`${url}/call`) }))
})
