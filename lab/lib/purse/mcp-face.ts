/** The third face of the purse: `fetch` of the agent's server, asked by the official client in this process. */

import { Client, InMemoryTransport } from '@modelcontextprotocol/client'
import { approvals } from '../../../packages/fare/src/mcp/approval.ts'
import { bodyStore } from '../../../packages/fare/src/mcp/bodies.ts'
import { calls } from '../../../packages/fare/src/mcp/calls.ts'
import type { Desk } from '../../../packages/fare/src/mcp/desk.ts'
import { guardedFetch } from '../../../packages/fare/src/mcp/guarded-fetch.ts'
import { createServer } from '../../../packages/fare/src/mcp/server.ts'
import { addressGuard } from '../../../packages/fare/src/net/ssrf-guard.ts'
import { newBuyer } from '../../../packages/fare/test/support/fare.ts'
import type { Attack } from './attack.ts'
import { callAll, DEFAULT_URL, type Endured, endOfReport } from './faces.ts'
import type { Scene } from './scene.ts'

/** What is sold here stands on this machine. */
const addresses = addressGuard({ allow: ['127.0.0.0/8'] })

/** Runs the attack against the tool `fetch`, and looks for secrets in everything that any tool then says. */
export async function endureMcp(attack: Attack, scene: Scene): Promise<Endured> {
  const args = argumentsOf(attack) ?? {}
  const buyer = newBuyer(scene.wallet.url)
  const web = guardedFetch(addresses)
  const desk: Desk = {
    settings: {
      env: buyer.env,
      sandbox: true,
      wallet: undefined,
      maxMsat: undefined,
      askAboveMsat: undefined,
      noPay: false,
      outputFolder: undefined,
      addresses,
      listen: undefined,
      tokenFile: undefined,
    },
    calls: calls({ oneByOne: false }),
    bodies: bodyStore(64 * 1024 * 1024),
    approvals: approvals(),
    web,
  }
  const client = new Client({ name: 'lab', version: '1.0.0' }, { versionNegotiation: { mode: 'legacy' } })
  const [near, far] = InMemoryTransport.createLinkedPair()
  const server = createServer(desk)
  await Promise.all([server.connect(far), client.connect(near)])
  const said: string[] = []
  const tool = async (name: string, given: Record<string, unknown> = {}): Promise<unknown> => {
    const result = await client.callTool({ name, arguments: given })
    said.push(JSON.stringify(result))
    return result.structuredContent
  }
  try {
    const ends = await callAll(attack, async () => {
      const url = (attack.url ?? DEFAULT_URL)(scene)
      return endOfReport((await tool('fetch', { ...args, url })) as Parameters<typeof endOfReport>[0])
    })
    for (const name of ['history', 'tokens', 'budget']) await tool(name)
    // Rule C10: what was sold or paid here is for no model's eyes, whatever the server did with it.
    const all = said.join('\n').toLowerCase()
    const leaked = scene.secrets().find((secret) => all.includes(secret.toLowerCase()))
    if (leaked !== undefined) throw new Error('a tool told a macaroon or a preimage')
    return await buyer.inPurse(async (purse) => {
      await attack.check?.(scene, purse)
      return { ends, bookedMsat: (await purse.spent()).totalMsat }
    })
  } finally {
    await client.close()
    await server.close()
    await web.close()
  }
}

/** The tool's arguments for an attack; `null` where no argument says what its flags do. */
export function argumentsOf({ args: own, flags = [] }: Attack): Readonly<Record<string, unknown>> | null {
  if (own !== undefined || flags === null) return own ?? null
  const args: Record<string, unknown> = {}
  const headers: Record<string, string> = {}
  for (let i = 0; i < flags.length; i++) {
    const flag = flags[i]
    const value = (): string => flags[++i] ?? ''
    if (flag === '-L') continue
    else if (flag === '-I') args['method'] = 'HEAD'
    else if (flag === '-d') args['body'] = value()
    else if (flag === '--max') args['max'] = value()
    else if (flag === '--no-pay') args['max'] = '0'
    else if (flag === '--max-time') args['timeoutSeconds'] = Math.ceil(Number(value()))
    else if (flag === '-H') {
      const [, name = '', text = ''] = /^([^:]+): (.*)$/.exec(value()) ?? []
      headers[name] = text
    } else return null
  }
  return { ...args, ...(Object.keys(headers).length > 0 && { headers }) }
}
