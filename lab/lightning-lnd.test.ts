/** The conformance kit on real lnd nodes. Needs the lab: `TURNPIKE_LAB`, or `../shared/lab`. */

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LndOptions, lnd, lndWallet } from '@turnpike/l402/lightning/lnd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeFetch } from '../packages/l402/src/lightning/lib/node-fetch.ts'
import {
  bakePayMacaroon,
  describeConformance,
  hasLab,
  hexOf,
  type LabNetwork,
  type LabNode,
  startNetwork,
  versionOf,
} from './lib/lightning.ts'
import { itPaysBack } from './lib/session-refunds.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')

describe.skipIf(!hasLab)(hasLab ? 'lnd' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-lnd-'))
  let network: LabNetwork
  let payMacaroon = ''
  let version = ''
  beforeAll(async () => {
    network = await startNetwork()
    payMacaroon = await bakePayMacaroon(network.nodes.buyer, folder)
    version = await versionOf(network.nodes.seller)
  }, 400_000)
  afterAll(async () => {
    await network?.close()
    rmSync(folder, { recursive: true })
  })

  const optionsOf = (node: LabNode, macaroonFile: string): LndOptions => ({
    url: node.rest,
    macaroonFile,
    tlsCertFile: node.tls,
  })
  const throughFaults = (node: LabNode, wrap: (fetch: typeof globalThis.fetch) => typeof globalThis.fetch) =>
    wrap(nodeFetch({ tlsCert: readFileSync(node.tls, 'utf8') }))
  const restart = async (name: string): Promise<void> => {
    await network.stop(name)
    await network.start(name)
  }
  /** A macaroon with a wrong signature, in a file. */
  const damaged = (file: string): string => {
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const copy = join(folder, 'damaged.macaroon')
    writeFileSync(copy, bytes)
    return copy
  }

  const selling = {
    name: 'as a seller, with the invoice.macaroon',
    backend: 'lnd',
    role: 'receive',
    on: () => version,
  } as const
  describeConformance(selling, async (faults) => {
    const { seller, buyer } = network.nodes
    const options = optionsOf(seller, seller.invoiceMacaroon)
    return {
      subject: 'invoices',
      invoices: await lnd({ ...options, fetch: throughFaults(seller, faults.wrap) }),
      payments: await lndWallet(optionsOf(buyer, payMacaroon)),
      sends: (url) => url.endsWith('/v1/invoices'),
      open: {
        wrongCredential: () => lnd({ ...options, macaroonFile: damaged(seller.invoiceMacaroon) }),
        wrongNetwork: () => lnd({ ...options, network: 'mainnet' }),
        otherCertificate: () => lnd({ ...options, tlsCertFile: buyer.tls }),
        nobody: () => lnd({ ...options, url: 'https://127.0.0.1:1' }),
      },
      restart: () => restart('seller'),
      secrets: [hexOf(seller.invoiceMacaroon)],
      close: async () => {},
    }
  })

  const paying = {
    name: 'as a wallet, with a macaroon that can only pay',
    backend: 'lnd',
    role: 'pay',
    on: () => version,
  } as const
  describeConformance(paying, async (faults) => {
    const { seller, buyer } = network.nodes
    const options = optionsOf(buyer, payMacaroon)
    return {
      subject: 'payments',
      invoices: await lnd(optionsOf(seller, seller.invoiceMacaroon)),
      payments: await lndWallet({ ...options, fetch: throughFaults(buyer, faults.wrap) }),
      sends: (url) => url.endsWith('/v2/router/send'),
      open: {
        wrongCredential: () => lndWallet({ ...options, macaroonFile: damaged(payMacaroon) }),
        wrongNetwork: () => lndWallet({ ...options, network: 'mainnet' }),
        otherCertificate: () => lndWallet({ ...options, tlsCertFile: seller.tls }),
        nobody: () => lndWallet({ ...options, url: 'https://127.0.0.1:1' }),
      },
      restart: () => restart('buyer'),
      secrets: [hexOf(payMacaroon)],
      close: async () => {},
    }
  })

  itPaysBack(() => network, folder)

  it('names what a macaroon lacks, and how to bake one', async () => {
    const { seller, buyer } = network.nodes
    await expect(lnd(optionsOf(seller, seller.readonlyMacaroon))).rejects.toThrow(
      /refused the macaroon: it lacks invoices:write; bake one with: lncli bakemacaroon invoices:read invoices:write/,
    )
    await expect(lndWallet(optionsOf(buyer, buyer.invoiceMacaroon))).rejects.toThrow(
      /it lacks \/lnrpc.Lightning\/GetInfo; bake one with/,
    )
    await expect(lndWallet(optionsOf(buyer, buyer.readonlyMacaroon))).rejects.toThrow(
      /it lacks \/routerrpc.Router\/SendPaymentV2; bake one with/,
    )
  })

  it('holds what is paid on a hold invoice until it is settled, or gives it back', async () => {
    const { seller, buyer } = network.nodes
    const lightning = await lnd(optionsOf(seller, seller.invoiceMacaroon))
    const wallet = await lndWallet(optionsOf(buyer, payMacaroon))
    const terms = { amountMsat: 5000n, memo: 'on delivery', expirySeconds: 600 }
    for (const end of ['settled', 'cancelled'] as const) {
      const preimage = crypto.getRandomValues(new Uint8Array(32))
      const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())
      const created = await lightning.createHoldInvoice({ ...terms, paymentHash })
      const paying = wallet.pay({ ...created, maxFeeMsat: 0n, timeoutMs: 30_000 })
      await expect.poll(() => lightning.lookupInvoice(paymentHash)).toBe('accepted')
      if (end === 'settled') await lightning.settleHoldInvoice(preimage)
      else expect(await lightning.cancelInvoice(paymentHash)).toBe('cancelled')
      expect((await paying).status).toBe(end === 'settled' ? 'paid' : 'failed')
      await expect.poll(() => lightning.lookupInvoice(paymentHash)).toBe(end)
    }
  })
})
