// A paid route of fetch's shape, for Workers, Bun and Deno; here on Node. Lightning and books in memory: put
// lnd({ … }) and postgresStore({ … }) there for real ones.
//   node examples/frameworks/fetch.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs fetch
import { serve } from '@hono/node-server'
import { l402 } from '@turnpike/l402/fetch'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const forecast = toll({ name: 'GET /forecast', price: '10 sat', grants: { calls: 50 } }, (request, paid) =>
  Response.json({ city: request.url.split('/')[4], sky: 'clear', left: paid.left.calls }),
)

const worker = {
  fetch: (request) =>
    new URL(request.url).pathname.startsWith('/forecast/')
      ? forecast(request)
      : new Response('not found', { status: 404 }),
}

// On Workers, Bun and Deno `export default worker` is all.
export const server = serve({ ...worker, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
