// A paid procedure of tRPC, here on Node. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/trpc.mjs
//   curl -ig 'http://127.0.0.1:3000/trpc/forecast?input="oslo"'
//   node examples/frameworks/buy.mjs trpc
import { serve } from '@hono/node-server'
import { initTRPC } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import { l402 } from '@turnpike/l402/trpc'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

const t = initTRPC.context().create()
const router = t.router({
  health: t.procedure.query(() => 'fine'),
  forecast: t.procedure
    .input(String) // a validator of yours: zod, valibot, …
    .query(({ ctx, input }) => ({ city: input, sky: 'clear', left: ctx.l402.left.calls })),
})

const fetch = toll(
  { forecast: { price: '10 sat', grants: { calls: 50 } }, health: { free: true } },
  {
    endpoint: '/trpc',
    handle: (req, l402) =>
      fetchRequestHandler({ endpoint: '/trpc', req, router, createContext: () => ({ l402 }) }),
  },
)

export const server = serve({ fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
