// A paid route in Hono. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/hono.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs hono
import { serve } from '@hono/node-server'
import { l402 } from '@turnpike/l402/hono'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import { Hono } from 'hono'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const app = new Hono()
app.get(
  '/forecast/:city',
  toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } }),
  (c) => c.json({ city: c.req.param('city'), sky: 'clear', left: c.get('l402').left.calls }),
)

export const server = serve({
  fetch: app.fetch,
  hostname: '127.0.0.1',
  port: Number(process.env.PORT ?? 3000),
})
