/** What tests of paid tools begin with: a seller's Lightning that is the buyer's wallet too, a purse, and official clients. */

import { Client } from '@modelcontextprotocol/client'
import { InMemoryTransport, type McpServer } from '@modelcontextprotocol/server'
import { afterEach, beforeEach } from 'vitest'
import { isL402Error } from '../../src/core/errors.ts'
import { type MemoryLightning, memoryLightning } from '../../src/lightning/memory.ts'
import type { PayingToolsOptions, ToolCall } from '../../src/mcp/paying-tools.ts'
import type { PurseStore } from '../../src/stores/purse.ts'
import { memoryPurse } from '../../src/stores/purse-memory/index.ts'

/** The seller's. */
export const KEYS = [{ id: 'first', masterKey: new Uint8Array(32).fill(7), active: true }]
/** The call that tests buy. */
export const forecast: ToolCall = { name: 'forecast', arguments: { city: 'Bern' } }

/** New for each test. */
export interface McpBench {
  /** May be exchanged before anything is sold. */
  lightning: MemoryLightning
  readonly purse: PurseStore
  /** A buyer's settings, with that wallet and that purse. */
  settings(options?: Partial<PayingToolsOptions>): PayingToolsOptions
  /** Msat that the purse counts as spent. */
  spent(): Promise<bigint>
  /** Runs after the test, the last one first. */
  closing(close: () => Promise<unknown>): void
  /** An official client, of the protocol's one version or the other, closed after the test. */
  newClient(era?: '2025' | '2026'): Client
  /** One that is connected to this server in memory. */
  inMemory(server: McpServer): Promise<Client>
}

/** Sets up before each test of the file that it is called in. */
export function mcpBench(): McpBench {
  let lightning: MemoryLightning
  let purse: PurseStore
  const closers: (() => Promise<unknown>)[] = []
  beforeEach(() => {
    lightning = memoryLightning()
    purse = memoryPurse()
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  const bench: McpBench = {
    get lightning() {
      return lightning
    },
    set lightning(other) {
      lightning = other
    },
    get purse() {
      return purse
    },
    settings: (options = {}) => ({ server: 'weather', wallet: lightning, purse, ...options }),
    spent: async () => (await purse.spent()).totalMsat,
    closing: (close) => void closers.push(close),
    newClient(era = '2025') {
      const mode = era === '2026' ? ({ pin: '2026-07-28' } as const) : 'legacy'
      const client = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode } })
      closers.push(() => client.close())
      return client
    },
    async inMemory(server) {
      const client = bench.newClient()
      const [one, other] = InMemoryTransport.createLinkedPair()
      await server.connect(other)
      await client.connect(one as Parameters<Client['connect']>[0])
      return client
    },
  }
  return bench
}

/** The first text of a result. */
export function textOf({ content }: { readonly content: unknown[] }): string {
  return (content[0] as { text: string }).text
}

/** How a call failed. */
export async function refusalOf(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!isL402Error(error)) throw new Error(`expected an L402Error, got ${String(error)}`)
  return [error.code, (error.details as { reason: string | null }).reason]
}
