// A paid method of a gRPC server. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/grpc.mjs
//   node examples/frameworks/buy.mjs grpc
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { accessOf, l402 } from '@turnpike/l402/grpc'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const file = fileURLToPath(new URL('weather.proto', import.meta.url))
export const { weather } = loadPackageDefinition(loadSync(file))

export const server = new Server({
  interceptors: [toll({ '/weather.Weather/Forecast': { price: '10 sat', grants: { calls: 50 } } })],
})
server.addService(weather.Weather.service, {
  forecast(call, answer) {
    answer(null, { city: call.request.city, sky: 'clear', left: accessOf(call).left.calls })
  },
})

const address = `127.0.0.1:${process.env.PORT ?? 3000}`
export const port = await promisify(server.bindAsync).call(
  server,
  address,
  ServerCredentials.createInsecure(),
)
