import type { InvoiceBackend, InvoiceState } from '@turnpike/l402/lightning'
import { sandboxLightning } from '@turnpike/l402/lightning/sandbox'
import { memoryStore } from '@turnpike/l402/store/memory'
import { afterEach, expect, it, vi } from 'vitest'
import { buildGate, buildRouting } from './assemble.ts'
import { parseConfig } from './config/load.ts'

const where = { file: 'turnpike.yaml', folder: '/', env: {}, sandbox: true }
const KEY = { id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }

afterEach(() => void vi.useRealTimers())

/** Whether a challenge that was paid a moment ago, and redeemed elsewhere, is handed out again. */
async function handsOutPaid(top: string): Promise<boolean> {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 })
  const services =
    '\nservices:\n  demo: { upstream: "http://127.0.0.1:9000", routes: [{ match: /x, price: 1 sat }] }\n'
  const config = parseConfig(top + services, where)
  const node = await sandboxLightning({ env: {} })
  let state: InvoiceState = 'open'
  const invoices: InvoiceBackend = {
    network: node.network,
    invoiceCapabilities: node.invoiceCapabilities,
    createInvoice: (request) => node.createInvoice(request),
    lookupInvoice: async () => state,
    ping: () => node.ping(),
    close: () => node.close(),
  }
  const ledger = memoryStore()
  const gate = buildGate(config, {
    ledger,
    lightning: { invoices, wallet: undefined },
    keys: [KEY],
    storedKeys: undefined,
  })
  const route = buildRouting(config, undefined)[0]?.routes.match('GET', '/x')?.value.terms
  if (route === undefined) throw new Error('no route')
  const invoice = async (): Promise<string> => {
    const decision = await gate.decide({
      ...{ method: 'GET', path: '/x', headers: [], clientAddress: '192.0.2.1', route },
    })
    if (decision.outcome !== 'refuse') throw new Error('it passed')
    return String(JSON.parse(decision.body).invoice)
  }
  const first = await invoice()
  state = 'settled'
  vi.setSystemTime(Date.now() + 200)
  const again = await invoice()
  await ledger.close()
  await node.close()
  return again === first
}

it('where several processes sell, the node is asked sooner whether a challenge that is out is paid', async () => {
  expect(await handsOutPaid('store: memory')).toBe(true)
  expect(await handsOutPaid('workers: 2\nstore: sqlite:turnpike.db')).toBe(false)
  expect(await handsOutPaid('store: redis://127.0.0.1')).toBe(false)
})
