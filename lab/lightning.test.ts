/**
 * Whole purchases on real channels: the built `fare` with each wallet, at a gateway with each backend, and at the real
 * Aperture; and payments killed in flight. Needs the lab (`TURNPIKE_LAB`). `--kills N` sets how many are killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { bakePayMacaroon, hasLab, type LabNetwork, lab, startNetwork } from './lib/lightning.ts'
import { recordPairs } from './lib/lightning-record.ts'
import { hasLnbits, type LabLnbits, noLnbits, startLnbits } from './lib/lnbits.ts'
import { type LabNwc, startNwc } from './lib/nwc.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')
if (!hasLnbits) console.log(`SKIPPED: LNbits among the pairs: ${noLnbits}`)

const root = join(import.meta.dirname, '..')
const FARE = join(root, 'packages/fare/bin/fare.js')
const TURNPIKE = join(root, 'packages/gateway/bin/turnpike.js')
const KILLS = Number(process.env['LAB_KILLS'] ?? 3)
const sellers = ['lnd', 'nwc', ...(hasLnbits ? ['lnbits'] : [])]
const wallets = [...sellers]
const pairs = sellers.flatMap((seller) => wallets.map((wallet) => ({ seller, wallet })))

interface Gateway {
  readonly url: string
  stop(): Promise<void>
}

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

describe.skipIf(!hasLab)(hasLab ? 'purchases on real channels' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-pairs-'))
  const home = join(folder, 'home')
  const children = new Set<ChildProcess>()
  let network: LabNetwork
  let nwc: { readonly seller: LabNwc; readonly buyer: LabNwc }
  let lnbits: { readonly seller: LabLnbits; readonly buyer: LabLnbits } | undefined
  let upstream: Upstream
  const lightningOf = new Map<string, string>()
  const gateways = new Map<string, Promise<Gateway>>()
  /** Wallets that have bought, by seller. */
  const came = new Map<string, readonly string[]>()

  const secret = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }

  beforeAll(async () => {
    network = await startNetwork()
    upstream = await startUpstream()
    const { seller, buyer } = network.nodes
    nwc = { seller: await startNwc(seller), buyer: await startNwc(buyer) }
    mkdirSync(home)
    await addWallet(
      'lnd',
      '--url',
      buyer.rest,
      '--macaroon-file',
      await bakePayMacaroon(buyer, folder),
      '--tls-cert-file',
      buyer.tls,
    )
    await addWallet('nwc', '--connection-file', secret('nwc-pay', await nwc.buyer.connection()))
    lightningOf.set(
      'lnd',
      `{ backend: lnd, url: "${seller.rest}", macaroonFile: "${seller.invoiceMacaroon}", tlsCertFile: "${seller.tls}" }`,
    )
    const selling = await nwc.seller.connection(['get_info', 'make_invoice', 'lookup_invoice'])
    lightningOf.set('nwc', `{ backend: nwc, connectionFile: "${secret('nwc-sell', selling)}" }`)
    if (hasLnbits) await addLnbits()
  }, 400_000)
  afterAll(async () => {
    for (const [seller, buys] of came) recordPairs(seller, buys)
    for (const one of await Promise.allSettled(gateways.values()))
      if (one.status === 'fulfilled') await one.value.stop()
    for (const child of children) child.kill('SIGKILL')
    await nwc?.seller.close()
    await nwc?.buyer.close()
    await lnbits?.seller.close()
    await lnbits?.buyer.close()
    await network?.close()
    await closeUpstreams()
    rmSync(folder, { recursive: true })
  })

  async function addLnbits(): Promise<void> {
    const servers = {
      seller: await startLnbits(network.nodes.seller, folder),
      buyer: await startLnbits(network.nodes.buyer, folder),
    }
    lnbits = servers
    const [{ inkey }, payer] = [await servers.seller.wallet('sells'), await servers.buyer.wallet('pays')]
    lightningOf.set(
      'lnbits',
      `{ backend: lnbits, url: "${servers.seller.url}", keyFile: "${secret('lnbits-sell', inkey)}" }`,
    )
    await addWallet('lnbits', '--url', servers.buyer.url, '--key-file', secret('lnbits-pay', payer.adminkey))
    const answer = await fetch(`${servers.buyer.url}/api/v1/payments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': payer.inkey },
      body: JSON.stringify({ out: false, amount: 5000, memo: 'to start with' }),
    })
    const made = (await answer.json()) as { bolt11?: string; payment_request?: string }
    await network.pay('seller', made.bolt11 ?? made.payment_request ?? '')
    // Its books follow its node a moment later.
    await vi.waitFor(
      async () =>
        expect((await fare('wallet', 'test', 'lnbits', '--json')).out).toMatch(/"balanceMsat":"[1-9]/),
      { timeout: 30_000, interval: 500 },
    )
  }

  async function addWallet(name: string, ...settings: readonly string[]): Promise<void> {
    expect(await fare('wallet', 'add', name, '--backend', name, ...settings)).toMatchObject({
      code: 0,
      err: '',
    })
  }

  function fare(...args: readonly string[]): Promise<Ran> {
    return runFare(args)
  }

  function runFare(args: readonly string[], started: (child: ChildProcess) => void = () => {}): Promise<Ran> {
    const child = spawn(process.execPath, [FARE, ...args], {
      env: { ...process.env, FARE_HOME: home, FARE_PAYMENT_TIMEOUT: '20s' },
    })
    children.add(child)
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    started(child)
    return new Promise((resolve) =>
      child.once('close', (code) => {
        children.delete(child)
        resolve({ code, out, err })
      }),
    )
  }

  /** One for each seller, for all tests. */
  function gateway(seller: string): Promise<Gateway> {
    const running = gateways.get(seller) ?? startGateway(seller)
    gateways.set(seller, running)
    return running
  }

  async function startGateway(seller: string): Promise<Gateway> {
    const at = join(folder, `gateway-${seller}-${crypto.randomUUID()}`)
    mkdirSync(at)
    const text = `listen: 127.0.0.1:0
network: regtest
admin: { listen: 127.0.0.1:0 }
challenges: { limit: off }
lightning: ${lightningOf.get(seller)}
services:
  weather:
    upstream: http://127.0.0.1:${upstream.port}
    routes: [{ match: "/forecast/*", price: 10 sat }]
`
    writeFileSync(join(at, 'turnpike.yaml'), text)
    const once = (args: readonly string[]) =>
      spawn(process.execPath, [TURNPIKE, ...args], { cwd: at, stdio: ['ignore', 'ignore', 'pipe'] })
    await new Promise((resolve) => once(['keys', 'new']).once('exit', resolve))
    const child = once(['serve', '--ready-file', 'ready.json'])
    children.add(child)
    let log = ''
    child.stderr?.on('data', (chunk) => {
      log += chunk
    })
    const gone = new Promise((resolve) => child.once('exit', resolve))
    await vi.waitFor(
      () => expect(existsSync(join(at, 'ready.json')) || child.exitCode !== null, log).toBe(true),
      { timeout: 30_000, interval: 50 },
    )
    expect(child.exitCode, log).toBeNull()
    const { listen } = JSON.parse(readFileSync(join(at, 'ready.json'), 'utf8')) as { listen: [string] }
    return {
      url: listen[0],
      async stop() {
        child.kill('SIGTERM')
        await gone
        children.delete(child)
      },
    }
  }

  it.each(pairs)('fare with $wallet buys from a gateway with $seller', async ({ seller, wallet }) => {
    const { url } = await gateway(seller)
    const bought = await fare('get', '--wallet', wallet, '--json', `${url}/forecast/${wallet}`)
    expect(bought.err).toBe('')
    expect(JSON.parse(bought.out)).toMatchObject({ ok: true, status: 200, paid: true })
    came.set(seller, [...(came.get(seller) ?? []), wallet])
  })

  it('fare buys from the real Aperture', async () => {
    const module = (await import(pathToFileURL(join(lab, 'aperture.mjs')).href)) as {
      startAperture(options: object): Promise<{ readonly url: string; close(): Promise<void> }>
    }
    const address = `127.0.0.1:${upstream.port}`
    const services = [{ name: 'weather', path: '^/forecast/.*$', address, price: 10 }]
    const aperture = await module.startAperture({ node: network.nodes.seller, services })
    try {
      for (const wallet of wallets) {
        const bought = await fare(
          'get',
          '--wallet',
          wallet,
          '--pay-again',
          '--json',
          `${aperture.url}/forecast/${wallet}`,
        )
        expect(JSON.parse(bought.out), bought.err).toMatchObject({ ok: true, status: 200 })
        came.set('Aperture', [...(came.get('Aperture') ?? []), wallet])
      }
    } finally {
      await aperture.close()
    }
  })

  it(`pays nothing twice and forgets nothing when fare or the buyer's node is killed in flight, ${KILLS} times`, async () => {
    const { url } = await gateway('lnd')
    const { seller, buyer } = network.nodes
    const sent = async (): Promise<bigint> => {
      const { payments } = (await buyer.call(
        'GET',
        '/v1/payments?include_incomplete=true&max_payments=10000',
      )) as {
        payments: { status: string; value_msat: string; fee_msat: string; payment_hash: string }[]
      }
      const paid = payments.filter(({ status }) => status === 'SUCCEEDED')
      // Of one hash, lnd itself keeps one payment.
      expect(new Set(paid.map(({ payment_hash }) => payment_hash)).size).toBe(paid.length)
      return paid.reduce((sum, { value_msat, fee_msat }) => sum + BigInt(value_msat) + BigInt(fee_msat), 0n)
    }
    const settled = async (): Promise<bigint> => {
      const { invoices } = (await seller.call('GET', '/v1/invoices?num_max_invoices=10000')) as {
        invoices: { state: string; amt_paid_msat: string }[]
      }
      return invoices
        .filter(({ state }) => state === 'SETTLED')
        .reduce((sum, { amt_paid_msat }) => sum + BigInt(amt_paid_msat), 0n)
    }
    const spent = async (): Promise<bigint> => {
      const purse = sqlitePurse({ file: join(home, 'purse.db') })
      try {
        return (await purse.spent()).totalMsat
      } finally {
        await purse.close()
      }
    }
    const before = { sent: await sent(), settled: await settled(), spent: await spent() }
    for (let i = 0; i < KILLS; i++) {
      const path = `${url}/forecast/kill-${i}`
      const afterMs = 100 + Math.random() * 900
      if (i % 3 === 2) {
        // The node dies under the payment.
        const running = runFare(['get', '--wallet', 'lnd', '--json', path])
        await new Promise((resolve) => setTimeout(resolve, afterMs))
        await network.kill('buyer')
        await running
        await network.start('buyer')
      } else {
        await runFare(['get', '--wallet', 'lnd', '--json', path], (child) => {
          setTimeout(() => child.kill('SIGKILL'), afterMs)
        })
      }
      // The same request again finishes what was begun.
      await vi.waitFor(
        async () => {
          const again = await fare('get', '--wallet', 'lnd', '--json', path)
          expect(again.code, `${again.out}${again.err}`).toBe(0)
        },
        { timeout: 90_000, interval: 500 },
      )
    }
    await fare('recover', '--wallet', 'lnd')
    const after = { sent: await sent(), settled: await settled(), spent: await spent() }
    const paid = after.sent - before.sent
    expect(after.settled - before.settled).toBe(paid)
    expect(after.spent - before.spent).toBe(paid)
    // A call is bought a second time only where the first one was served to a fare that died before it heard.
    const { payments } = JSON.parse((await fare('payments', '--json', '--limit', '1000')).out) as {
      payments: { request: string; state: string }[]
    }
    for (let i = 0; i < KILLS; i++) {
      const path = `/forecast/kill-${i}`
      const bought = payments.filter(({ request, state }) => state === 'settled' && request.endsWith(path))
      const served = upstream.seen.filter(({ url }) => url === path)
      expect(bought.length, path).toBeGreaterThan(0)
      expect(bought.length, path).toBeLessThanOrEqual(served.length)
    }
  }, 600_000)
})
