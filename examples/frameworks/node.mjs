// A paid route in node:http. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/node.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs node
import { createServer } from 'node:http'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 } from '@turnpike/l402/node'
import { memoryStore } from '@turnpike/l402/store/memory'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const forecast = toll({ name: 'GET /forecast', price: '10 sat', grants: { calls: 50 } }, (req, res, paid) => {
  const city = req.url.split('/')[2]
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify({ city, sky: 'clear', left: paid.left.calls }))
})

export const server = createServer((req, res) => {
  if (req.url.startsWith('/forecast/')) forecast(req, res).catch(() => res.destroy())
  else res.writeHead(404).end()
}).listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
