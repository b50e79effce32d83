/** The frameworks whose adapters are measured: each serves the same answer bare, for a time pass and for a counted call. */
import 'reflect-metadata'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import Router from '@koa/router'
import { Controller, Get, Module, UseGuards } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { initTRPC } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { l402 as expressL402 } from '@turnpike/l402/express'
import { l402 as fastifyL402 } from '@turnpike/l402/fastify'
import { l402 as fetchL402 } from '@turnpike/l402/fetch'
import { l402 as honoL402 } from '@turnpike/l402/hono'
import { l402 as koaL402 } from '@turnpike/l402/koa'
import { l402 as nestL402 } from '@turnpike/l402/nest'
import { l402 as nodeL402 } from '@turnpike/l402/node'
import { l402 as trpcL402 } from '@turnpike/l402/trpc'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { CALL, options, PASS } from './adapter-terms.ts'

const BODY = JSON.stringify({ sky: 'clear', wind: 'north-west', degrees: 21 })
const JSON_TYPE = { 'Content-Type': 'application/json', 'Content-Length': String(BODY.length) }

/** By name. */
export const httpServers: Readonly<Record<string, () => Server | Promise<Server>>> = {
  node() {
    const toll = nodeL402(options)
    const bare: RequestListener = (_req, res) => void res.writeHead(200, JSON_TYPE).end(BODY)
    const answer = (req: Parameters<RequestListener>[0], res: Parameters<RequestListener>[1]): void =>
      bare(req, res)
    const pass = toll(PASS, answer)
    const call = toll(CALL, answer)
    return createServer((req, res) => {
      if (req.url === '/pass') void pass(req, res)
      else if (req.url === '/counted') void call(req, res)
      else bare(req, res)
    })
  },
  express() {
    const toll = expressL402(options)
    const answer: express.RequestHandler = (_req, res) => void res.type('json').send(BODY)
    return createServer(
      express().get('/bare', answer).get('/pass', toll(PASS), answer).get('/counted', toll(CALL), answer),
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
    app.get('/counted', { onRequest: toll(CALL) }, answer)
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
    router.get('/bare', answer).get('/pass', toll(PASS), answer).get('/counted', toll(CALL), answer)
    return createServer(new Koa().use(router.routes()).callback())
  },
  hono() {
    const toll = honoL402(options)
    const answer = (): Response => new Response(BODY, { headers: JSON_TYPE })
    const app = new Hono()
      .get('/bare', answer)
      .get('/pass', toll(PASS), answer)
      .get('/counted', toll(CALL), answer)
    return createAdaptorServer({ fetch: app.fetch }) as Server
  },
  fetch() {
    const toll = fetchL402(options)
    const answer = (): Response => new Response(BODY, { headers: JSON_TYPE })
    const pass = toll(PASS, answer)
    const call = toll(CALL, answer)
    const fetch = (request: Request): Response | Promise<Response> =>
      request.url.endsWith('/pass')
        ? pass(request)
        : request.url.endsWith('/counted')
          ? call(request)
          : answer()
    return createAdaptorServer({ fetch }) as Server
  },
  async nest() {
    const toll = nestL402(options)
    class Shop {}
    // What decorators do, said in calls.
    for (const [name, guards] of [
      ['bare', []],
      ['pass', [toll(PASS)]],
      ['counted', [toll(CALL)]],
    ] as const) {
      const descriptor = { value: () => JSON.parse(BODY) as unknown, configurable: true }
      Object.defineProperty(Shop.prototype, name, descriptor)
      Get(name)(Shop.prototype, name, descriptor)
      UseGuards(...guards)(Shop.prototype, name, descriptor)
    }
    Controller()(Shop)
    class App {}
    Module({ controllers: [Shop] })(App)
    const app = await NestFactory.create(App, { logger: false })
    await app.init()
    return app.getHttpServer() as Server
  },
  trpc() {
    const t = initTRPC.create()
    const answer = t.procedure.query(() => JSON.parse(BODY) as unknown)
    const router = t.router({ bare: answer, pass: answer, counted: answer })
    const handle = (req: Request): Promise<Response> => fetchRequestHandler({ endpoint: '', req, router })
    const { name: _pass, ...pass } = PASS
    const { name: _call, ...call } = CALL
    const paid = trpcL402(options)({ pass, counted: call }, { endpoint: '/', handle })
    const fetch = (request: Request): Promise<Response> =>
      request.url.endsWith('/bare') ? handle(request) : paid(request)
    return createAdaptorServer({ fetch }) as Server
  },
}
