import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { localLimits } from '@turnpike/l402/server'
import { expect, it, onTestFinished } from 'vitest'
import { parseConfig } from './config/load.ts'
import { restartOnly } from './config/restart-only.ts'
import { startGateway } from './gateway.ts'
import { createLog } from './log.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }]

it('a reload that first sells on delivery does so at once, in a process that serves with others, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-reload-hold-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const upstream = createServer((_, response) => void response.end('a sheep'))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void upstream.close())
  const { port } = upstream.address() as AddressInfo
  const config = (hold: string) =>
    parseConfig(
      `listen: 127.0.0.1:0
workers: 2
lightning: { backend: lnd, url: "https://127.0.0.1:9", macaroonFile: m }
services: { art: { upstream: "http://127.0.0.1:${port}", routes: [{ match: /render, price: 5 sat${hold} }] } }
`,
      { file: 'turnpike.yaml', folder, env: {}, sandbox: false },
    )
  const lightning = memoryLightning()
  const written: string[] = []
  const gateway = await startGateway(config(''), {
    keys,
    env: {},
    log: createLog(config('').log, () => {}),
    host: {
      lightning: { invoices: lightning, wallet: undefined },
      limits: localLimits(),
      sales: { challenged: () => {}, redeemed: () => true, exhausted: () => {} },
      holds: {
        found: [],
        add: async ({ paymentHash }) => void written.push(paymentHash),
        done: async () => {},
        close: async () => {},
      },
      sampleUrl: () => undefined,
    },
  })
  onTestFinished(() => gateway.stop().then(() => {}))
  const ask = async (): Promise<{ status: number; invoice: string }> => {
    const response = await fetch(`${gateway.listen[0]}/render`)
    return { status: response.status, invoice: response.headers.get('www-authenticate') ?? '' }
  }
  expect((await ask()).status).toBe(402)
  expect(written).toEqual([])
  const next = config(', hold: true')
  await gateway.reload(next, keys)
  expect((await ask()).status).toBe(402)
  expect(written).toHaveLength(1)
  expect(restartOnly(config(''), next)).toEqual([])
})
