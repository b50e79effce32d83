/**
 * Whole purchases on real channels: the built `fare` with each wallet, at a gateway with each backend, and at the real
 * Aperture. Needs the lab (`TURNPIKE_LAB`).
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { bakePayMacaroon, hasLab, type LabNetwork, lab, startNetwork } from './lib/lightning.ts'
import { recordPairs } from './lib/lightning-record.ts'
import { hasLnbits, type LabLnbits, noLnbits, startLnbits } from './lib/lnbits.ts'
import { type LabNwc, startNwc } from './lib/nwc.ts'
import { endPrograms, type Ran, runProgram } from './lib/programs.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')
if (!hasLnbits) console.log(`SKIPPED: LNbits among the pairs: ${noLnbits}`)

const root = join(import.meta.dirname, '..')
const FARE = join(root, 'packages/fare/bin/fare.js')
const TURNPIKE = join(root, 'packages/gateway/bin/turnpike.js')
const sellers = ['lnd', 'nwc', ...(hasLnbits ? ['lnbits'] : [])]
const wallets = [...sellers]
const pairs = sellers.flatMap((seller) => wallets.map((wallet) => ({ seller, wallet })))

interface Gateway {
  readonly url: string
  stop(): Promise<void>
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
    await endPrograms()
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
    const env = { FARE_HOME: home, FARE_PAYMENT_TIMEOUT: '20s' }
    return runProgram(process.execPath, [FARE, ...args], { env })
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
})
