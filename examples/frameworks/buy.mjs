// Starts an example and buys from it, twice with one payment: node examples/frameworks/buy.mjs hono
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { payingFetch } from '@turnpike/l402/client'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { askGrpc } from './ask-grpc.mjs'
import { askWebSocket } from './ask-websocket.mjs'

const OTHER_CLIENTS = { grpc: askGrpc, websocket: askWebSocket }
const OTHER_REQUESTS = {
  metered: ['/chat', { method: 'POST', body: 'how do you do' }],
  trpc: ['/trpc/forecast?input="lisbon"'],
  connect: [
    '/weather.Weather/Forecast',
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"city":"lisbon"}' },
  ],
}

/** What two requests are answered. The buyer's wallet is the other end of the example's Lightning in memory. */
export async function buy(name) {
  process.env.PORT ??= '0'
  const file = `./${name}.mjs`
  const { server, port, lightning: wallet, weather } = await import(file)
  if (port === undefined && !server.listening) await once(server, 'listening')
  const origin = `http://127.0.0.1:${port ?? server.address().port}`
  const ask = (OTHER_CLIENTS[name] ?? askFetch)({ name, origin, wallet, purse: memoryPurse(), weather })
  try {
    return [await ask(), await ask()]
  } finally {
    if (port !== undefined) server.forceShutdown()
    else {
      server.close()
      server.closeAllConnections()
    }
  }
}

function askFetch({ name, origin, wallet, purse }) {
  const fetch = payingFetch({ wallet, purse })
  const [path, init] = OTHER_REQUESTS[name] ?? ['/forecast/lisbon']
  return async () => {
    const answer = await fetch(`${origin}${path}`, init)
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    return answer.json()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const answer of await buy(process.argv[2] ?? 'hono')) console.log(JSON.stringify(answer))
