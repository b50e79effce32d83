// A route in Hono whose handler says what each request has cost. Lightning and books in memory: put lnd({ … }) and
// sqliteStore({ … }) there for real ones.
//   node examples/frameworks/metered.mjs
//   curl -i http://127.0.0.1:3000/chat -d 'how do you do'
//   node examples/frameworks/buy.mjs metered
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
  services: { chat: {} },
})

const chat = toll({
  name: 'POST /chat',
  price: '500 sat',
  grants: { credit: '500 sat' },
  charge: { byHandler: true, estimate: '5 sat' },
})

const app = new Hono()
app.post('/chat', chat, async (c) => {
  const words = (await c.req.text()).split(' ')
  c.get('l402').charge(BigInt(words.length) * 250n) // msat; several add up
  return c.json({ words: words.length, leftMsat: String(c.get('l402').left.creditMsat) })
})

export const server = serve({
  fetch: app.fetch,
  hostname: '127.0.0.1',
  port: Number(process.env.PORT ?? 3000),
})
