// `node mppx-mcp.mjs URL PAY`: the official MCP client, made to pay by mppx, calls the tool `forecast` twice. PAY takes
// `{"invoice"}` and answers `{"preimage"}`. Prints `{ texts, references, paid }`.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Credential, Method } from 'mppx'
import { McpClient } from 'mppx/mcp/client'
import { z } from 'zod/mini'

const [url, payUrl] = process.argv.slice(2)
const charge = Method.from({
  name: 'lightning',
  intent: 'charge',
  schema: {
    credential: { payload: z.object({ preimage: z.string() }) },
    request: z.object({
      amount: z.string(),
      currency: z.string(),
      methodDetails: z.object({ invoice: z.string(), paymentHash: z.string(), network: z.string() }),
    }),
  },
})
let paid = 0
const method = Method.toClient(charge, {
  async createCredential({ challenge }) {
    paid++
    const { invoice } = challenge.request.methodDetails
    const answer = await fetch(payUrl, { method: 'POST', body: JSON.stringify({ invoice }) })
    const { preimage } = await answer.json()
    return Credential.serialize({ challenge, payload: { preimage } })
  },
})
const client = new Client({ name: 'mppx', version: '1.0.0' }, { versionNegotiation: { mode: 'legacy' } })
await client.connect(new StreamableHTTPClientTransport(new URL(url)))
McpClient.wrap(client, { methods: [method] })
const texts = []
const references = []
for (let call = 0; call < 2; call++) {
  const { content, receipt } = await client.callTool({ name: 'forecast', arguments: { city: 'Bern' } })
  texts.push(content[0].text)
  references.push(receipt?.reference ?? null)
}
await client.close()
console.log(JSON.stringify({ texts, references, paid }))
