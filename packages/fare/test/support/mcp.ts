/** The real `fare mcp`, spoken to by the official client. */

import { fileURLToPath } from 'node:url'
import { Client, type ElicitResult } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterEach } from 'vitest'
import type { Buyer } from './fare.ts'

const BIN = fileURLToPath(new URL('../../bin/fare.js', import.meta.url))

/** What a tool answered. */
export interface Told {
  readonly isError: boolean
  readonly text: string
  readonly data: Readonly<Record<string, unknown>>
  readonly raw: string
}

/** A client with a running server. */
export interface Agent {
  readonly client: Client
  readonly transport: StdioClientTransport
  /** Questions that were put to a person. */
  readonly questions: string[]
  call(name: string, args?: Record<string, unknown>): Promise<Told>
  close(): Promise<void>
}

/** How a client is. */
export interface AgentSettings {
  /** `2026`: no handshake; default `2025`. */
  readonly era?: '2025' | '2026'
  /** What a person says; without it the client can ask nobody. */
  readonly says?: (question: string) => ElicitResult | Promise<ElicitResult>
}

const agents: Agent[] = []
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.close()
})

/** Makes the client, without a connection. */
export function newClient(questions: string[], { era = '2025', says }: AgentSettings = {}): Client {
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    {
      capabilities: says === undefined ? {} : { elicitation: { form: {} } },
      versionNegotiation: { mode: era === '2026' ? { pin: '2026-07-28' } : 'legacy' },
    },
  )
  if (says !== undefined)
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      questions.push(params.message)
      return await says(params.message)
    })
  return client
}

/** What a call answers, in short. */
export async function called(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<Told> {
  const result = await client.callTool({ name, arguments: args })
  const text = result.content.map((block) => (block.type === 'text' ? block.text : '')).join('\n')
  return {
    isError: result.isError ?? false,
    text,
    data: (result.structuredContent ?? {}) as Record<string, unknown>,
    raw: JSON.stringify(result),
  }
}

/** Starts `fare --sandbox mcp …` for this buyer. */
export async function startAgent(
  buyer: Buyer,
  args: readonly string[] = [],
  settings: AgentSettings = {},
): Promise<Agent> {
  const questions: string[] = []
  const client = newClient(questions, settings)
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [BIN, '--sandbox', 'mcp', ...args],
    env: buyer.env,
    stderr: 'pipe',
  })
  await client.connect(transport)
  const agent: Agent = {
    client,
    transport,
    questions,
    call: (name, given) => called(client, name, given),
    close: () => client.close(),
  }
  agents.push(agent)
  return agent
}

/** Loopback, where tests have their servers. */
export const LOCAL: readonly string[] = ['--allow-network', '127.0.0.1/32']
