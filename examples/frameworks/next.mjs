// A paid route handler of Next: app/forecast/[city]/route.js would export this GET. Lightning and books in memory: put
// lnd({ … }) and postgresStore({ … }) there for real ones.
//   node examples/frameworks/next.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs next
import { serve } from '@hono/node-server'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 } from '@turnpike/l402/next'
import { memoryStore } from '@turnpike/l402/store/memory'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

export const GET = toll(
  { name: 'GET /forecast/[city]', price: '10 sat', grants: { calls: 50 } },
  async (_request, { params, l402: paid }) =>
    Response.json({ city: (await params).city, sky: 'clear', left: paid.left.calls }),
)

// What Next does for it.
export const server = serve({
  fetch: (request) => GET(request, { params: Promise.resolve({ city: request.url.split('/')[4] }) }),
  hostname: '127.0.0.1',
  port: Number(process.env.PORT ?? 3000),
})
