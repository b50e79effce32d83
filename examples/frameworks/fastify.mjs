// A paid route in Fastify. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/fastify.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs fastify
import { l402 } from '@turnpike/l402/fastify'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import fastify from 'fastify'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const app = fastify()
const forecast = toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } })
app.get('/forecast/:city', { onRequest: forecast }, async (request) => ({
  city: request.params.city,
  sky: 'clear',
  left: request.l402.left.calls,
}))

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
export const { server } = app
