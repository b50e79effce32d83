/**
 * Payment on delivery with several processes that serve: each sees its own payments through, and those of one that dies are
 * taken over by the main process. Needs the lab: `TURNPIKE_LAB`, or `../shared/lab`.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeInvoice, formatCredential } from '@turnpike/l402'
import type { CreatedInvoice } from '@turnpike/l402/lightning'
import { type LndInvoices, lnd, lndWallet } from '@turnpike/l402/lightning/lnd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bakePayMacaroon, hasLab, type LabNetwork, startNetwork } from './lib/lightning.ts'
import { freePort } from './lib/programs.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')

const TURNPIKE = join(import.meta.dirname, '../packages/gateway/bin/turnpike.js')
const SOON = { timeout: 60_000 }

describe.skipIf(!hasLab)(hasLab ? 'payment on delivery with several processes' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-hold-workers-'))
  let network: LabNetwork
  let lightning: LndInvoices
  let wallet: Awaited<ReturnType<typeof lndWallet>>

  beforeAll(async () => {
    network = await startNetwork()
    const { seller, buyer } = network.nodes
    lightning = await lnd({ url: seller.rest, macaroonFile: seller.invoiceMacaroon, tlsCertFile: seller.tls })
    const macaroonFile = await bakePayMacaroon(buyer, folder)
    wallet = await lndWallet({ url: buyer.rest, macaroonFile, tlsCertFile: buyer.tls })
  }, 400_000)
  afterAll(async () => {
    await network?.close()
    rmSync(folder, { recursive: true })
  })
  const pay = (created: CreatedInvoice) => wallet.pay({ ...created, maxFeeMsat: 10_000n, timeoutMs: 60_000 })

  async function startUpstream(listener: RequestListener): Promise<Server> {
    const upstream = createServer(listener)
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    return upstream
  }

  /** The real gateway with three processes that serve. */
  async function startSeller(upstream: Server, { hold = true }: { readonly hold?: boolean } = {}) {
    const at = mkdtempSync(join(folder, 'gateway-'))
    const { seller } = network.nodes
    // Where no process listens, port 0 would be another one for those that come after it.
    const port = await freePort()
    const write = (holds: boolean): void =>
      writeFileSync(
        join(at, 'turnpike.yaml'),
        `listen: 127.0.0.1:${port}
admin: { listen: 127.0.0.1:0 }
workers: 3
lightning: { backend: lnd, url: "${seller.rest}", macaroonFile: "${seller.invoiceMacaroon}", tlsCertFile: "${seller.tls}", strict: true }
services:
  art:
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    routes: [{ match: "POST /render", price: 500 sat${holds ? ', hold: true' : ''} }]
`,
      )
    write(hold)
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
      folder: at,
      post: (headers: Record<string, string> = {}) =>
        // Each on a connection of its own: the processes take turns.
        fetch(running.url, { method: 'POST', body: 'a sheep', headers: { ...headers, Connection: 'close' } }),
      /** The processes that serve. */
      workers: (): readonly number[] =>
        readFileSync(`/proc/${running.child.pid}/task/${running.child.pid}/children`, 'utf8')
          .trim()
          .split(' ')
          .map(Number),
      async killAndRestart() {
        await end('SIGKILL')
        running = await serve()
      },
      /** With the route paid on delivery from now on. */
      reload() {
        write(true)
        running.child.kill('SIGHUP')
      },
      stop: () => end('SIGTERM'),
    }
  }

  const offerOf = async (response: Response): Promise<{ macaroon: string; created: CreatedInvoice }> => {
    expect(response.status).toBe(402)
    const { macaroon, invoice } = (await response.json()) as { macaroon: string; invoice: string }
    const { paymentHash, amountMsat, expiresAt } = decodeInvoice(invoice)
    return { macaroon, created: { invoice, paymentHash, amountMsat: amountMsat ?? 0n, expiresAt } }
  }

  it('is served and settled once each, whichever process was asked, and fetched from any', async () => {
    let asked = 0
    const upstream = await startUpstream((req, res) => {
      req.resume()
      req.on('end', () => res.end(`picture ${++asked}`))
    })
    const seller = await startSeller(upstream)
    try {
      const buy = async (): Promise<string> => {
        const { macaroon, created } = await offerOf(await seller.post())
        const paid = await pay(created)
        if (paid.status !== 'paid') return paid.status
        const headers = { Authorization: formatCredential(macaroon, paid.preimage) }
        const pictures = new Set<string>()
        for (let i = 0; i < 6; i++) pictures.add(await (await seller.post(headers)).text())
        return [...pictures].join(', ')
      }
      const bought = await Promise.all(Array.from({ length: 6 }, buy))
      expect(bought.toSorted()).toEqual([1, 2, 3, 4, 5, 6].map((n) => `picture ${n}`))
      expect(asked).toBe(6)
    } finally {
      await seller.stop()
      upstream.close()
    }
  })

  it('begins with a reload, in all processes', async () => {
    let asked = 0
    const upstream = await startUpstream((req, res) => {
      req.resume()
      req.on('end', () => res.end(`picture ${++asked}`))
    })
    const seller = await startSeller(upstream, { hold: false })
    const isHeld = async (): Promise<boolean> => {
      const { created } = await offerOf(await seller.post())
      const journal = join(seller.folder, 'turnpike.holds')
      const hash = Buffer.from(created.paymentHash).toString('hex')
      return existsSync(journal) && readFileSync(journal, 'utf8').includes(hash)
    }
    try {
      expect(await isHeld()).toBe(false)
      seller.reload()
      await expect.poll(isHeld, SOON).toBe(true)
      const { macaroon, created } = await offerOf(await seller.post())
      // The wallet has the preimage once there is an answer, before anybody comes for it.
      const paid = await pay(created)
      expect([paid.status, asked]).toEqual(['paid', 1])
      if (paid.status !== 'paid') return
      const headers = { Authorization: formatCredential(macaroon, paid.preimage) }
      for (let i = 0; i < 6; i++) expect(await (await seller.post(headers)).text()).toBe('picture 1')
    } finally {
      await seller.stop()
      upstream.close()
    }
  })

  it('is given back at once where the process dies that would have served it', async () => {
    const upstream = await startUpstream(() => {})
    const seller = await startSeller(upstream)
    try {
      const { created } = await offerOf(await seller.post())
      const paying = pay(created)
      await expect.poll(() => lightning.lookupInvoice(created.paymentHash), SOON).toBe('accepted')
      const before = seller.workers()
      expect(before).toHaveLength(3)
      for (const pid of before) process.kill(pid, 'SIGKILL')
      expect((await paying).status).toBe('failed')
      expect(await lightning.lookupInvoice(created.paymentHash)).toBe('cancelled')
      // Others have taken their place, and sell.
      const again = async (): Promise<number> => (await seller.post().catch(() => undefined))?.status ?? 0
      await expect.poll(again, SOON).toBe(402)
    } finally {
      await seller.stop()
      upstream.closeAllConnections()
      upstream.close()
    }
  })

  it('is given back at the next start where all of them died', async () => {
    const upstream = await startUpstream(() => {})
    const seller = await startSeller(upstream)
    try {
      const { created } = await offerOf(await seller.post())
      const paying = pay(created)
      await expect.poll(() => lightning.lookupInvoice(created.paymentHash), SOON).toBe('accepted')
      await seller.killAndRestart()
      expect((await paying).status).toBe('failed')
      expect(await lightning.lookupInvoice(created.paymentHash)).toBe('cancelled')
    } finally {
      await seller.stop()
      upstream.closeAllConnections()
      upstream.close()
    }
  })
})
