// A paid method for Connect and gRPC-Web; with createServer of node:http2 for gRPC too. Lightning and books in memory: put
// lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/connect.mjs
//   curl -i http://127.0.0.1:3000/weather.Weather/Forecast -H 'Content-Type: application/json' -d '{"city":"oslo"}'
//   node examples/frameworks/buy.mjs connect
import { createServer } from 'node:http'
import { accessOf, l402 } from '@turnpike/l402/connect'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import { Weather } from './weather-pb.mjs'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const routes = (router) =>
  router.service(Weather, {
    forecast: ({ city }, context) => ({ city, sky: 'clear', left: accessOf(context).left.calls }),
  })

export const server = createServer(
  toll({ '/weather.Weather/Forecast': { price: '10 sat', grants: { calls: 50 } } }, { routes }),
).listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
