import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import Router from '@koa/router'
import Koa from 'koa'
import { listen, type Mount } from '../../test/matrix.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './koa.ts'

const mount: Mount = (options, routes) => {
  const toll = l402(options)
  const router = new Router()
  for (const route of routes) {
    const method = ({ GET: 'get', POST: 'post', ALL: 'all' } as const)[route.method]
    router[method](route.path, toll(route.offer), async (ctx) => {
      const access = ctx.state.l402 ?? null
      const { status = 200, headers = {}, body } = await route.handle({ access, text: () => text(ctx.req) })
      ctx.status = status
      ctx.set({ ...headers })
      ctx.body = typeof body === 'string' ? body : Readable.from(body)
    })
  }
  const app = new Koa()
  app.silent = true
  app.use(router.routes())
  return listen(createServer(app.callback()))
}

describeAdapter('Koa', mount)
