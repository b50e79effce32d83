/**
 * Payments that a real lnd holds: seen by a strict gate, which opens nothing before the node has the money, and sold on delivery
 * by the real gateway.
 * Needs the lab: `TURNPIKE_LAB`, or `../shared/lab`.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeInvoice, formatCredential } from '@turnpike/l402'
import type { CreatedInvoice } from '@turnpike/l402/lightning'
import { type LndInvoices, lnd, lndWallet } from '@turnpike/l402/lightning/lnd'
import { type Paywall, type PaywallOptions, paywall } from '@turnpike/l402/server'
import { memoryStore } from '@turnpike/l402/store/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bakePayMacaroon, hasLab, type LabNetwork, startNetwork } from './lib/lightning.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')

const newPreimage = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))
const hashOf = (preimage: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(preimage).digest())

const TURNPIKE = join(import.meta.dirname, '../packages/gateway/bin/turnpike.js')
const SOON = { timeout: 30_000 }

describe.skipIf(!hasLab)(hasLab ? 'what lnd holds' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-hold-'))
  const store = memoryStore()
  let network: LabNetwork
  let payMacaroonFile = ''
  let lightning: LndInvoices
  let wallet: Awaited<ReturnType<typeof lndWallet>>

  beforeAll(async () => {
    network = await startNetwork()
    const { seller, buyer } = network.nodes
    payMacaroonFile = await bakePayMacaroon(buyer, folder)
    lightning = await lnd({ url: seller.rest, macaroonFile: seller.invoiceMacaroon, tlsCertFile: seller.tls })
    wallet = await lndWallet({ url: buyer.rest, macaroonFile: payMacaroonFile, tlsCertFile: buyer.tls })
  }, 400_000)
  afterAll(async () => {
    await store.close()
    await network?.close()
    rmSync(folder, { recursive: true })
  })

  /** A node that was away finds its peers again after a while. */
  const ready = async (): Promise<void> => {
    const buys = async (): Promise<string> => {
      const terms = { amountMsat: 1_000n, memo: 'ready?', expirySeconds: 600 }
      const created = await lightning.createInvoice(terms).catch(() => undefined)
      return created === undefined ? 'away' : (await pay(created)).status
    }
    await expect.poll(buys, { timeout: 150_000 }).toBe('paid')
  }
  const pay = (created: CreatedInvoice) => wallet.pay({ ...created, maxFeeMsat: 10_000n, timeoutMs: 60_000 })
  const stateOf = (paymentHash: Uint8Array) => () => lightning.lookupInvoice(paymentHash)

  /** A strict paywall that sells on hold invoices of these preimages, so that the test knows them before the node settles. */
  function strictPaywall(preimages: readonly Uint8Array[]): { gate: Paywall; made: CreatedInvoice[] } {
    const left = [...preimages]
    const made: CreatedInvoice[] = []
    const options: PaywallOptions = {
      lightning: {
        network: lightning.network,
        invoiceCapabilities: lightning.invoiceCapabilities,
        async createInvoice(request) {
          const preimage = left.shift()
          if (preimage === undefined) throw new Error('no preimage is left')
          const created = await lightning.createHoldInvoice({ ...request, paymentHash: hashOf(preimage) })
          made.push(created)
          return created
        },
        lookupInvoice: (paymentHash) => lightning.lookupInvoice(paymentHash),
        ping: () => lightning.ping(),
        close: async () => {},
      },
      store,
      keys: [{ id: 'lab', masterKey: newPreimage(), active: true }],
      services: { weather: { routes: [{ match: 'GET /x', price: '5 sat', grants: { calls: 2 } }] } },
      challenges: { reuse: false },
      challengeDeadlineMs: 5_000,
      strict: true,
    }
    return { gate: paywall(options), made }
  }

  async function ask(gate: Paywall, credential?: string): Promise<Response> {
    const headers = credential === undefined ? {} : { Authorization: credential }
    const result = await gate(new Request('http://127.0.0.1/x', { headers }))
    return result.outcome === 'refuse' ? result.response : result.serve(() => new Response('served'))
  }

  async function macaroonOf(response: Response): Promise<string> {
    expect(response.status).toBe(402)
    return String(((await response.json()) as { macaroon: string }).macaroon)
  }

  it('opens nothing while it is open or held, everything once it is settled, and the node is asked once', async () => {
    const preimage = newPreimage()
    const { gate, made } = strictPaywall([preimage, newPreimage(), newPreimage()])
    const credential = formatCredential(await macaroonOf(await ask(gate)), preimage)
    const created = made[0] as CreatedInvoice

    const unsettled = async (): Promise<unknown> =>
      ((await (await ask(gate, credential)).json()) as { code: string }).code
    expect(await unsettled()).toBe('unsettled')
    const paying = pay(created)
    await expect.poll(stateOf(created.paymentHash), SOON).toBe('accepted')
    expect(await unsettled()).toBe('unsettled')

    await lightning.settleHoldInvoice(preimage)
    expect((await paying).status).toBe('paid')
    await expect.poll(stateOf(created.paymentHash), SOON).toBe('settled')
    expect(await (await ask(gate, credential)).text()).toBe('served')
    // What is known to be settled needs no node.
    await network.stop('seller')
    expect(await (await ask(gate, credential)).text()).toBe('served')
    await network.start('seller')
    await ready()
  }, 400_000)

  it('opens nothing once it has been given back', async () => {
    const preimage = newPreimage()
    const { gate, made } = strictPaywall([preimage, newPreimage()])
    const credential = formatCredential(await macaroonOf(await ask(gate)), preimage)
    const created = made[0] as CreatedInvoice
    const paying = pay(created)
    await expect.poll(stateOf(created.paymentHash), SOON).toBe('accepted')
    expect(await lightning.cancelInvoice(created.paymentHash)).toBe('cancelled')
    expect((await paying).status).toBe('failed')
    expect(await (await ask(gate, credential)).json()).toMatchObject({ code: 'unsettled' })
  })

  it('is 503 without a challenge while the node is down, and works when it is back', async () => {
    const preimage = newPreimage()
    const { gate, made } = strictPaywall([preimage])
    const credential = formatCredential(await macaroonOf(await ask(gate)), preimage)
    const created = made[0] as CreatedInvoice
    const paying = pay(created)
    await expect.poll(stateOf(created.paymentHash), SOON).toBe('accepted')
    await lightning.settleHoldInvoice(preimage)
    expect((await paying).status).toBe('paid')
    await network.stop('seller')
    const down = await ask(gate, credential)
    expect(down.status).toBe(503)
    expect(down.headers.has('WWW-Authenticate')).toBe(false)
    await network.start('seller')
    await ready()
    await expect.poll(async () => (await ask(gate, credential)).status, { timeout: 30_000 }).toBe(200)
  }, 400_000)

  /** The real gateway on this node; `restart` starts it anew in the same folder. */
  async function startSeller(listener: RequestListener) {
    const at = mkdtempSync(join(folder, 'gateway-'))
    const upstream = createServer(listener)
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const { seller } = network.nodes
    writeFileSync(
      join(at, 'turnpike.yaml'),
      `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
lightning: { backend: lnd, url: "${seller.rest}", macaroonFile: "${seller.invoiceMacaroon}", tlsCertFile: "${seller.tls}", strict: true }
services:
  art:
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    routes: [{ match: "POST /render", price: 500 sat, hold: true }]
`,
    )
    const run = (args: readonly string[]): ChildProcess =>
      spawn(process.execPath, [TURNPIKE, ...args], { cwd: at, stdio: ['ignore', 'ignore', 'inherit'] })
    await once(run(['keys', 'new']), 'exit')
    const serve = async () => {
      rmSync(join(at, 'ready.json'), { force: true })
      const child = run(['serve', '--ready-file', 'ready.json'])
      await expect.poll(() => existsSync(join(at, 'ready.json')), SOON).toBe(true)
      const { listen } = JSON.parse(readFileSync(join(at, 'ready.json'), 'utf8')) as { listen: [string] }
      return { child, url: `${listen[0]}/render` }
    }
    let running = await serve()
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      running.child.kill(signal)
      if (running.child.exitCode === null && running.child.signalCode === null)
        await once(running.child, 'exit')
    }
    return {
      post: (headers: Record<string, string> = {}) =>
        fetch(running.url, { method: 'POST', body: 'a sheep', headers }),
      async killAndRestart() {
        await end('SIGKILL')
        running = await serve()
      },
      async stop() {
        await end('SIGTERM')
        upstream.closeAllConnections()
        upstream.close()
      },
    }
  }

  const offerOf = async (response: Response): Promise<{ macaroon: string; created: CreatedInvoice }> => {
    expect(response.status).toBe(402)
    const { macaroon, invoice } = (await response.json()) as { macaroon: string; invoice: string }
    const { paymentHash, amountMsat, expiresAt } = decodeInvoice(invoice)
    return { macaroon, created: { invoice, paymentHash, amountMsat: amountMsat ?? 0n, expiresAt } }
  }

  it('is sold on delivery by the gateway: served and settled, or given back', async () => {
    let asked = 0
    const seller = await startSeller((req, res) => {
      asked++
      req.resume()
      req.on('end', () => res.writeHead(asked === 1 ? 200 : 500).end(`picture ${asked}`))
    })
    try {
      const { macaroon, created } = await offerOf(await seller.post())
      expect(asked).toBe(0)
      const paid = await pay(created)
      expect([paid.status, asked]).toEqual(['paid', 1])
      if (paid.status !== 'paid') return
      const headers = { Authorization: formatCredential(macaroon, paid.preimage) }
      for (let i = 0; i < 2; i++) expect(await (await seller.post(headers)).text()).toBe('picture 1')
      await seller.killAndRestart()
      expect(await (await seller.post(headers)).text()).toBe('picture 1')
      expect(asked).toBe(1)

      const next = await offerOf(await seller.post())
      expect((await pay(next.created)).status).toBe('failed')
      expect(asked).toBe(2)
      expect(await lightning.lookupInvoice(next.created.paymentHash)).toBe('cancelled')
    } finally {
      await seller.stop()
    }
  })

  it('is given back at the next start where the gateway was killed before there was an answer', async () => {
    const seller = await startSeller(() => {})
    try {
      const { created } = await offerOf(await seller.post())
      const paying = pay(created)
      await expect.poll(stateOf(created.paymentHash), SOON).toBe('accepted')
      await seller.killAndRestart()
      expect((await paying).status).toBe('failed')
      expect(await lightning.lookupInvoice(created.paymentHash)).toBe('cancelled')
    } finally {
      await seller.stop()
    }
  })

  it('is still held when the node comes back, and then settled or given back', async () => {
    const hold = async () => {
      const preimage = newPreimage()
      const paymentHash = hashOf(preimage)
      const terms = { amountMsat: 5_000n, memo: 'on delivery', expirySeconds: 600, paymentHash }
      const paying = pay(await lightning.createHoldInvoice(terms))
      await expect.poll(stateOf(paymentHash), SOON).toBe('accepted')
      return { preimage, paymentHash, paying }
    }
    const [wanted, unwanted] = [await hold(), await hold()]
    await network.kill('seller')
    await network.start('seller')
    for (const { paymentHash } of [wanted, unwanted])
      await expect
        .poll(async () => stateOf(paymentHash)().catch(() => 'away'), { timeout: 30_000 })
        .toBe('accepted')
    await lightning.settleHoldInvoice(wanted.preimage)
    expect(await lightning.cancelInvoice(unwanted.paymentHash)).toBe('cancelled')
    // Told to the payer when the nodes have found each other again.
    for (const [{ paymentHash, paying }, end] of [
      [wanted, 'paid'],
      [unwanted, 'failed'],
    ] as const) {
      await paying
      const status = async (): Promise<string> => (await wallet.lookupPayment(paymentHash)).status
      await expect.poll(status, { timeout: 150_000 }).toBe(end)
    }
  }, 600_000)
})
