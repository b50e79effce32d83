/**
 * What holds a buyer back on a real lnd, with a routing fee to pay: the fee limit, the deadline, the network, and wallets
 * that lack a permission. Needs the lab (`TURNPIKE_LAB`).
 */

import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LndInvoices, lnd, lndWallet } from '@turnpike/l402/lightning/lnd'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanUp, folderWith, type Program, serve } from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream } from '../packages/gateway/test/e2e/upstream.ts'
import { bakePayMacaroon, hasLab, type LabNetwork, PAY_URIS, startNetwork } from './lib/lightning.ts'
import { startThird, type ThirdNode } from './lib/lightning-third.ts'
import { type Ran, runProgram } from './lib/programs.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')

const FARE = join(import.meta.dirname, '../packages/fare/bin/fare.js')
/** What the node between buyer and merchant takes, in millionths of the amount. */
const FEE_MILLIONTHS = 20_000

describe.skipIf(!hasLab)(hasLab ? 'limits of a buyer' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-limits-'))
  const home = join(folder, 'home')
  let network: LabNetwork
  let third: ThirdNode | undefined
  let merchant: LndInvoices
  let gateway: Program
  let payMacaroon = ''

  beforeAll(async () => {
    network = await startNetwork()
    const { buyer } = network.nodes
    const node = await startThird(network, { feeMillionths: FEE_MILLIONTHS })
    third = node
    payMacaroon = await bakePayMacaroon(buyer, folder)
    merchant = await lnd({ url: node.rest, macaroonFile: node.invoiceMacaroon, tlsCertFile: node.tls })
    const upstream = await startUpstream()
    gateway = await serve(
      folderWith(`listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
network: regtest
challenges: { limit: off }
lightning: { backend: lnd, url: "${node.rest}", macaroonFile: "${node.invoiceMacaroon}", tlsCertFile: "${node.tls}" }
services:
  weather:
    upstream: http://127.0.0.1:${upstream.port}
    routes:
      - { match: "/small/*", price: 10 sat }
      - { match: "/dear/*", price: 200 sat }
`),
    )
    mkdirSync(home)
    await added('node', payMacaroon)
    // The news of the fee takes its time.
    const fee = async (): Promise<unknown> => {
      const path = `/v1/graph/routes/${node.pubkey}/200`
      const { routes } = (await buyer.call('GET', path).catch(() => ({ routes: [] }))) as {
        routes: { total_fees_msat: string }[]
      }
      return routes[0]?.total_fees_msat
    }
    await vi.waitFor(async () => expect(await fee()).toBe('4000'), { timeout: 90_000, interval: 500 })
  }, 500_000)
  afterAll(async () => {
    await cleanUp()
    await third?.close()
    await network?.close()
    await closeUpstreams()
    rmSync(folder, { recursive: true })
  })

  const fare = (...args: readonly string[]): Promise<Ran> =>
    runProgram(process.execPath, [FARE, ...args], {
      env: { FARE_HOME: home, FARE_PAYMENT_TIMEOUT: '20s' },
    })
  async function added(name: string, macaroonFile: string, ...more: readonly string[]): Promise<void> {
    const { rest, tls } = network.nodes.buyer
    const settings = ['--url', rest, '--macaroon-file', macaroonFile, '--tls-cert-file', tls, ...more]
    expect(await fare('wallet', 'add', name, '--backend', 'lnd', ...settings)).toMatchObject({ code: 0 })
  }
  const wallet = () =>
    lndWallet({
      url: network.nodes.buyer.rest,
      macaroonFile: payMacaroon,
      tlsCertFile: network.nodes.buyer.tls,
    })
  const get = async (path: string, ...args: readonly string[]): Promise<Report> =>
    JSON.parse((await fare('get', '--wallet', 'node', '--json', ...args, gateway.url + path)).out) as Report
  interface Report {
    readonly exitCode: number
    readonly spentMsat: string
    readonly purchases: readonly { readonly amountMsat: string; readonly feeMsat: string }[]
    readonly error?: { readonly code: string; readonly message: string }
  }
  /** What the buyer's node has paid so far. */
  const sentMsat = async (): Promise<bigint> => {
    const { payments } = (await network.nodes.buyer.call('GET', '/v1/payments?max_payments=1000')) as {
      payments: { value_msat: string; fee_msat: string }[]
    }
    return payments.reduce((sum, one) => sum + BigInt(one.value_msat) + BigInt(one.fee_msat), 0n)
  }

  it('pays a fee up to the limit, to the millisatoshi, and nothing above it', async () => {
    const paying = await wallet()
    const before = await sentMsat()
    const created = await merchant.createInvoice({ amountMsat: 200_000n, memo: '', expirySeconds: 600 })
    const order = { ...created, timeoutMs: 20_000 }
    expect(await paying.pay({ ...order, maxFeeMsat: 3_999n })).toEqual({
      status: 'failed',
      detail: 'no route to the payee within the fee limit',
    })
    expect(await merchant.lookupInvoice(created.paymentHash)).toBe('open')
    expect(await sentMsat()).toBe(before)
    expect(await paying.pay({ ...order, maxFeeMsat: 4_000n })).toMatchObject({
      status: 'paid',
      feeMsat: 4_000n,
    })
    expect(await sentMsat()).toBe(before + 204_000n)
    await paying.close()
  })

  it('fare keeps to one percent, pays nothing above it and says why, and to what config.yaml says instead', async () => {
    const before = await sentMsat()
    const small = await get('/small/a')
    expect(small).toMatchObject({ exitCode: 0, purchases: [{ amountMsat: '10000', feeMsat: '200' }] })

    const dear = await get('/dear/a')
    expect(dear).toMatchObject({ exitCode: 4, error: { code: 'payment_failed' } })
    expect(dear.error?.message).toContain('no route to the payee within the fee limit')
    expect(BigInt(dear.spentMsat)).toBe(0n)
    expect(await sentMsat()).toBe(before + 10_200n)

    const file = join(home, 'config.yaml')
    const wallets = readFileSync(file, 'utf8')
    const withFees = async (fees: string, path: string): Promise<number> => {
      writeFileSync(file, `${wallets}fees: ${fees}\n`)
      const { exitCode } = await get(path)
      return exitCode
    }
    try {
      expect(await withFees('{ percent: 1.9 }', '/dear/b')).toBe(4)
      expect(await withFees('{ percent: 5, most: 3 sat }', '/dear/b')).toBe(4)
      expect(await withFees('{ most: 0 }', '/small/b')).toBe(4)
      expect(await sentMsat()).toBe(before + 10_200n)
      expect(await withFees('{ percent: 2 }', '/dear/b')).toBe(0)
      expect(await withFees('{ percent: 0, least: 4 sat }', '/dear/c')).toBe(0)
    } finally {
      writeFileSync(file, wallets)
    }
    expect(await sentMsat()).toBe(before + 10_200n + 2n * 204_000n)
  })

  it('holds the price and the fee against --max, before anything is paid', async () => {
    const before = await sentMsat()
    expect(await get('/small/c', '--max', '10sat')).toMatchObject({ exitCode: 3 })
    expect(await sentMsat()).toBe(before)
    expect(await get('/small/c', '--max', '11sat')).toMatchObject({ exitCode: 0 })
    expect(await sentMsat()).toBe(before + 10_200n)
  })

  it('ends at its deadline without an answer, and hears later how it ended', async () => {
    const paying = await wallet()
    for (const end of ['settled', 'cancelled'] as const) {
      const preimage = crypto.getRandomValues(new Uint8Array(32))
      const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())
      const terms = { amountMsat: 10_000n, memo: '', expirySeconds: 600, paymentHash }
      const created = await merchant.createHoldInvoice(terms)
      const outcome = await paying.pay({ ...created, maxFeeMsat: 1_000n, timeoutMs: 1_500 })
      expect(['unknown', 'pending']).toContain(outcome.status)
      await expect.poll(() => merchant.lookupInvoice(paymentHash), { timeout: 30_000 }).toBe('accepted')
      expect(await paying.lookupPayment(paymentHash)).toEqual({ status: 'pending' })
      if (end === 'settled') await merchant.settleHoldInvoice(preimage)
      else await merchant.cancelInvoice(paymentHash)
      const now = async (): Promise<string> => (await paying.lookupPayment(paymentHash)).status
      await expect.poll(now, { timeout: 30_000 }).toBe(end === 'settled' ? 'paid' : 'failed')
    }
    await paying.close()
  })

  it('asks for the network before anything else, and then pays nothing', async () => {
    await added('elsewhere', payMacaroon, '--network', 'mainnet')
    const before = await sentMsat()
    const tested = await fare('wallet', 'test', 'elsewhere')
    expect(tested).toMatchObject({ code: 7, err: expect.stringContaining('is on regtest, expected mainnet') })
    const bought = await fare('get', '--wallet', 'elsewhere', '--json', `${gateway.url}/small/elsewhere`)
    expect(JSON.parse(bought.out)).toMatchObject({ exitCode: 7 })
    const { payments } = JSON.parse((await fare('payments', '--json')).out) as {
      payments: { request: string }[]
    }
    expect(payments.filter(({ request }) => request.endsWith('/small/elsewhere'))).toEqual([])
    expect(await sentMsat()).toBe(before)
  })

  it.each(PAY_URIS)('fare wallet test says what a macaroon without %s lacks', async (uri) => {
    const name = `without-${uri.split('/').at(-1)}`.toLowerCase()
    await added(name, await bakePayMacaroon(network.nodes.buyer, folder, uri))
    const tested = await fare('wallet', 'test', name)
    if (uri.endsWith('ChannelBalance')) {
      // It buys all the same.
      expect(tested).toMatchObject({ code: 0, out: expect.stringMatching(/balance +not told/) })
      return
    }
    expect(tested).toMatchObject({ code: 7, err: expect.stringContaining(`it lacks ${uri}; bake one with`) })
    for (const each of PAY_URIS) expect(tested.err).toContain(`uri:${each}`)
  })

  it('fare wallet test shows what a whole wallet can do, and pays nothing', async () => {
    const before = await sentMsat()
    const { code, out } = await fare('wallet', 'test', 'node', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      network: 'regtest',
      balanceMsat: expect.stringMatching(/^[1-9]\d+$/),
      can: { returnsPreimage: true, capsFees: true, looksUp: true },
      lacks: [],
    })
    expect(await sentMsat()).toBe(before)
  })
})
