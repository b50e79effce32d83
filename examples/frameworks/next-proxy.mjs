// The proxy of a Next app in front of its pages: proxy.js would export `proxy` and `config`. Lightning and books in memory: put
// lnd({ … }) and postgresStore({ … }) there for real ones.
//   node examples/frameworks/next-proxy.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs next-proxy
import { serve } from '@hono/node-server'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 } from '@turnpike/l402/next-proxy'
import { memoryStore } from '@turnpike/l402/store/memory'

// Of Next: import { NextResponse } from 'next/server'
const NextResponse = {
  next: ({ request: { headers } }) =>
    new Response(null, { headers: { 'x-middleware-next': '1', 'x-handed-on': headers.get('x-service') } }),
}

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

export const proxy = toll(
  { name: '/forecast', price: '100 sat', grants: { valid: '1d' } },
  (request, l402) => {
    const headers = new Headers(request.headers)
    headers.set('x-service', l402.service)
    return NextResponse.next({ request: { headers } }) // what the page reads with `headers()`
  },
)
export const config = { matcher: '/forecast/:path*' }

// What Next does for it: the page is asked where the proxy says so.
async function fetch(request) {
  const answer = await proxy(request)
  if (!answer.headers.has('x-middleware-next')) return answer
  const city = request.url.split('/')[4]
  return Response.json({ city, sky: 'clear', service: answer.headers.get('x-handed-on') })
}

export const server = serve({ fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
