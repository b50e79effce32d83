/**
 * Published clients of others buy from the gateway and from an adapter, with real payments on sandbox Lightning:
 * `npm run lab -- clients`. `LAB_WRITE=1` writes what came of it for docs/interoperability.md.
 */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { decodeInvoice, encodeHex } from '@turnpike/l402'
import { sandboxLightning } from '@turnpike/l402/lightning/sandbox'
import { l402 } from '@turnpike/l402/node'
import { memoryStore } from '@turnpike/l402/store/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, start } from '../packages/gateway/test/e2e/program.ts'
import { type Installed, installClient, published } from './lib/clients/published.ts'
import { runProgram } from './lib/programs.ts'

interface Seller {
  readonly url: string
  readonly payUrl: string
}

const sellers: Record<string, Seller> = {}
const closers: (() => unknown)[] = []
const came: Record<string, Record<string, string>> = {}

beforeAll(async () => {
  const gateway = await start({ routes: ['{ match: "/forecast/*", price: 10 sat }'] })
  sellers['turnpike'] = { url: gateway.url, payUrl: `${gateway.admin}/sandbox/v1/pay` }
  sellers['node adapter'] = await startAdapter()
})
afterAll(async () => {
  if (process.env['LAB_WRITE'] === '1')
    writeFileSync(new URL('../docs/data/clients.json', import.meta.url), `${JSON.stringify(came, null, 2)}\n`)
  for (const close of closers) await close()
  await cleanUp()
})

async function startAdapter(): Promise<Seller> {
  const lightning = await sandboxLightning()
  closers.push(() => lightning.close())
  const toll = l402({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: new Uint8Array(32).fill(3), active: true }],
    services: { weather: {} },
  })
  const forecast = toll({ name: 'GET /forecast/*', price: '10 sat' }, (_req, res) => {
    res.end('{"sky":"cloudy"}')
  })
  const url = await listen(createServer((req, res) => void forecast(req, res).catch(() => res.destroy())))
  const payUrl = await listen(
    createServer(async (req, res) => {
      const { invoice } = (await json(req)) as { invoice: string }
      const { paymentHash, amountMsat } = decodeInvoice(invoice)
      const terms = {
        invoice,
        paymentHash,
        amountMsat: amountMsat ?? 0n,
        maxFeeMsat: 10_000n,
        timeoutMs: 20_000,
      }
      const paid = await lightning.pay(terms)
      res.end(JSON.stringify(paid.status === 'paid' ? { preimage: encodeHex(paid.preimage) } : paid.status))
    }),
  )
  return { url, payUrl }
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.each(published)('$title', (client) => {
  const installed: Installed = installClient(client)
  const name = installed.ok ? client.title : `SKIPPED: ${client.title} (${installed.why})`
  describe.skipIf(!installed.ok)(name, () => {
    it.each(['turnpike', 'node adapter'])('buys once from: %s', async (seller) => {
      if (!installed.ok) return
      const { url, payUrl } = sellers[seller] as Seller
      const { out, err, code } = await runProgram(installed.command, [
        ...installed.args,
        `${url}/forecast/oslo`,
        payUrl,
      ])
      expect(code, err).toBe(0)
      const answer = JSON.parse(out) as { status: number; body: string; paid: number }
      expect(answer).toMatchObject({ status: 200, paid: 1 })
      expect(answer.body).toContain('"sky":')
      came[client.title] = { ...came[client.title], scheme: client.scheme, [seller]: 'buys' }
    })
  })
})
