/**
 * Tools of MCP servers that cost, between this project and npm's `mppx`, in both directions, with real payments on sandbox
 * Lightning: `npm run lab -- mpp`.
 */

import { text } from 'node:stream/consumers'
import { createAdaptorServer } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { type Sandbox, sandboxLightning, sandboxRoutes } from '@turnpike/l402/lightning/sandbox'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { paidTool, payingTools } from '@turnpike/l402/mcp'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { memoryStore } from '@turnpike/l402/store/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { besideClient, invoiceMaker, listen, startMppxSeller } from './lib/clients/mppx-seller.ts'
import { type Installed, installClient, published } from './lib/clients/published.ts'
import { runProgram } from './lib/programs.ts'

const client = published.find(({ script }) => script === 'mppx.mjs')
if (client === undefined) throw new Error('expected mppx among the published clients')
const mppx: Installed = installClient(client)
const suite = mppx.ok ? `${client.title} over MCP` : `SKIPPED: ${client.title} (${mppx.why})`

let lightning: Sandbox
let wallet: string
const closers: (() => unknown)[] = []
beforeAll(async () => {
  lightning = await sandboxLightning()
  closers.push(() => lightning.close())
  const routes = sandboxRoutes(lightning)
  wallet = await serve(async (req, res) => {
    const answer = await routes(req.method ?? '', req.url ?? '', await text(req))
    res.writeHead(answer?.status ?? 404, { 'content-type': answer?.contentType ?? 'text/plain' })
    res.end(answer?.body ?? '')
  })
})
afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

async function serve(handle: Parameters<typeof listen>[0]): Promise<string> {
  const { url, server } = await listen(handle)
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return url
}

describe.skipIf(!mppx.ok)(suite, () => {
  it('buys a tool of paidTool by a charge, call by call', async () => {
    if (!mppx.ok) return
    const toll = paidTool({
      lightning,
      store: memoryStore(),
      keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(7), active: true }],
      services: { weather: {} },
    })
    const forecast = toll({ name: 'forecast', price: '10 sat' }, ({ city }: { city: string }) => ({
      content: [{ type: 'text' as const, text: `sunny in ${city}` }],
    }))
    const handler = createMcpHandler(() => {
      const server = new McpServer({ name: 'weather', version: '1.0.0' })
      server.registerTool('forecast', { inputSchema: z.object({ city: z.string() }) }, forecast)
      return server
    })
    const http = createAdaptorServer({ fetch: (request) => handler.fetch(request) })
    const url = await serve((req, res) => http.emit('request', req, res))
    const [script] = besideClient(mppx, ['mppx-mcp.mjs'])
    const { out, err } = await runProgram(mppx.command, [script, `${url}/mcp`, `${wallet}/sandbox/v1/pay`])
    expect(err).toBe('')
    const { texts, references, paid } = JSON.parse(out) as {
      texts: string[]
      references: (string | null)[]
      paid: number
    }
    expect([texts, paid]).toEqual([['sunny in Bern', 'sunny in Bern'], 2])
    expect(new Set(references).size).toBe(2)
    for (const reference of references) expect(reference).toMatch(/^[0-9a-f]{64}$/)
  })

  it('sells a tool to payingTools, which keeps its limits', async () => {
    if (!mppx.ok) return
    const invoices = await serve(invoiceMaker(lightning))
    const seller = await startMppxSeller(mppx, { invoices, script: 'mppx-mcp-server.mjs' })
    closers.push(() => seller.stop())
    const mcp = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: 'legacy' } })
    await mcp.connect(new StreamableHTTPClientTransport(new URL(seller.url)))
    closers.push(() => mcp.close())
    const purse = memoryPurse()
    const paying = payingTools(mcp, {
      server: seller.url,
      wallet: sandboxWallet({ url: wallet }),
      purse,
      maxMsat: 25_000n,
    })
    for (let call = 1; call <= 2; call++) {
      const result = await paying.callTool({ name: 'forecast', arguments: { city: 'Bern' } })
      expect(result.content).toEqual([{ type: 'text', text: 'cloudy in Bern' }])
      expect(paying.paymentOf(result)).toMatchObject({
        purchases: [{ amountMsat: 10_000n }],
        receipt: { status: 'success', method: 'lightning' },
      })
    }
    await expect(paying.callTool({ name: 'forecast', arguments: { city: 'Bern' } })).rejects.toMatchObject({
      code: 'payment_refused',
      details: { reason: 'over_max' },
    })
    expect((await purse.spent()).totalMsat).toBe(20_000n)
  })
})
