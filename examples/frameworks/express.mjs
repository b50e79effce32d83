// A paid route in Express (5 or 4). Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/express.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs express
import { l402 } from '@turnpike/l402/express'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import express from 'express'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const app = express()
app.get(
  '/forecast/:city',
  toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } }),
  (req, res) => {
    res.json({ city: req.params.city, sky: 'clear', left: req.l402.left.calls })
  },
)

export const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
