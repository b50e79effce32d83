// A paid WebSocket on node:http; Express and Koa have the same `toll.upgrade`. Lightning and books in memory: put lnd({ … })
// and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/websocket.mjs
//   node examples/frameworks/buy.mjs websocket
import { createServer } from 'node:http'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 } from '@turnpike/l402/node'
import { memoryStore } from '@turnpike/l402/store/memory'
import { WebSocketServer } from 'ws'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const FEED = { name: '/feed', price: '10 sat', grants: { valid: '1h' } }
const sockets = new WebSocketServer({ noServer: true })
const feed = toll.upgrade(FEED, (req, socket, head, l402) =>
  sockets.handleUpgrade(req, socket, head, (ws) => ws.send(`clear, for ${l402.service}`)),
)
// A browser that opens the same address pays on a page; its WebSocket then sends the cookie.
const page = toll(FEED, (_req, res) => res.end('Now open a WebSocket here.'))

export const server = createServer((req, res) => {
  if (req.url === '/feed') page(req, res).catch(() => res.destroy())
  else res.writeHead(404).end()
}).listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
server.on('upgrade', (req, socket, head) => {
  if (req.url === '/feed') feed(req, socket, head).catch(() => socket.destroy())
  else socket.destroy()
})
