// `node mppx-mcp-server.mjs INVOICES`: an MCP server over HTTP, revision 2025-06-18, whose one tool is sold by mppx. Its errors
// are those of mppx's own transport. Prints the URL of its endpoint.
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { Mppx, Transport } from 'mppx/server'
import { chargeBy, secretKey } from './mppx-charge.mjs'

const [invoices] = process.argv.slice(2)
const mppx = Mppx.create({
  methods: [chargeBy(invoices)],
  realm: 'forecasts',
  secretKey,
  transport: Transport.mcp(),
})

async function answerTo(message) {
  const { id, method, params } = message
  const answer = (result) => ({ jsonrpc: '2.0', id, result })
  if (method === 'initialize')
    return answer({
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'forecasts', version: '1.0.0' },
    })
  if (method !== 'tools/call')
    return { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } }
  const charged = await mppx.charge({ amount: '10', description: 'eine Vorhersage für Zürich ☀' })(message)
  if (charged.status === 402) return charged.challenge
  return charged.withReceipt(
    answer({ content: [{ type: 'text', text: `cloudy in ${params.arguments.city}` }] }),
  )
}

const server = createServer(async (req, res) => {
  if (req.method !== 'POST') return res.writeHead(405).end()
  const message = await json(req)
  if (message.id === undefined) return res.writeHead(202).end()
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(await answerTo(message)))
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/mcp`))
