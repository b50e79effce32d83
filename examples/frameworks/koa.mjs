// A paid route in Koa. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/koa.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs koa
import Router from '@koa/router'
import { l402 } from '@turnpike/l402/koa'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import Koa from 'koa'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const router = new Router()
router.get(
  '/forecast/:city',
  toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } }),
  (ctx) => {
    ctx.body = { city: ctx.params.city, sky: 'clear', left: ctx.state.l402.left.calls }
  },
)

const app = new Koa()
app.use(router.routes())
export const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
