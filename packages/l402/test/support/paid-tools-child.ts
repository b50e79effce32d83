/** An MCP server on standard input and output whose tool costs sandbox money; the buyer's wallet is on loopback. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'
import { sandboxLightning, sandboxRoutes } from '../../src/lightning/sandbox/index.ts'
import { paidTool } from '../../src/mcp/index.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'

const lightning = await sandboxLightning()
const routes = sandboxRoutes(lightning)
const wallet = createServer(async (req, res) => {
  const answer = await routes(req.method ?? '', req.url ?? '', await text(req))
  res.writeHead(answer?.status ?? 404, { 'content-type': 'application/json' }).end(answer?.body)
})
await new Promise<void>((resolve) => wallet.listen(0, '127.0.0.1', resolve))
process.stderr.write(`wallet http://127.0.0.1:${(wallet.address() as AddressInfo).port}\n`)

const toll = paidTool({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(7), active: true }],
  services: { weather: {} },
})

serveStdio(() => {
  const server = new McpServer({ name: 'weather', version: '1.0.0' })
  const inputSchema = z.object({ city: z.string() })
  server.registerTool(
    'forecast',
    { inputSchema },
    toll({ name: 'forecast', price: '10 sat' }, ({ city }: { city: string }) => ({
      content: [{ type: 'text' as const, text: `sunny in ${city}` }],
    })),
  )
  return server
})
process.stdin.once('end', () => process.exit(0))
