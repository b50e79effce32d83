/** The conformance kit on LNbits and on Nostr Wallet Connect, both on real lnd nodes. Needs the lab (`TURNPIKE_LAB`). */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lnbits, lnbitsWallet } from '@turnpike/l402/lightning/lnbits'
import { lnd, lndWallet } from '@turnpike/l402/lightning/lnd'
import { nwc, nwcWallet } from '@turnpike/l402/lightning/nwc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  bakePayMacaroon,
  describeConformance,
  hasLab,
  type LabNetwork,
  startNetwork,
  versionOf,
} from './lib/lightning.ts'
import { hasLnbits, type LabLnbits, lnbitsVersion, noLnbits, startLnbits } from './lib/lnbits.ts'
import { type LabNwc, startNwc } from './lib/nwc.ts'

if (!hasLab) console.log('SKIPPED: there is no lab with real lnd nodes (TURNPIKE_LAB)')
if (!hasLnbits) console.log(`SKIPPED: LNbits: ${noLnbits}`)

describe.skipIf(!hasLab)(hasLab ? 'wallets on lnd' : 'SKIPPED: no lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-wallets-'))
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
  const lndSeller = () => {
    const { rest: url, invoiceMacaroon: macaroonFile, tls: tlsCertFile } = network.nodes.seller
    return lnd({ url, macaroonFile, tlsCertFile })
  }
  const lndBuyer = () =>
    lndWallet({
      url: network.nodes.buyer.rest,
      macaroonFile: payMacaroon,
      tlsCertFile: network.nodes.buyer.tls,
    })

  describe('Nostr Wallet Connect', () => {
    const on = (): string => `a wallet service over a relay, on ${version}`
    let service: { readonly seller: LabNwc; readonly buyer: LabNwc }
    beforeAll(async () => {
      service = { seller: await startNwc(network.nodes.seller), buyer: await startNwc(network.nodes.buyer) }
    })
    afterAll(async () => {
      await service?.seller.close()
      await service?.buyer.close()
    })

    const selling = {
      name: 'as a seller, with a connection that cannot pay',
      backend: 'nwc',
      role: 'receive',
      on,
    } as const
    describeConformance(selling, async () => {
      const connection = await service.seller.connection(['get_info', 'make_invoice', 'lookup_invoice'])
      return {
        subject: 'invoices',
        invoices: await nwc({ connection }),
        payments: await lndBuyer(),
        open: {
          wrongNetwork: () => nwc({ connection, network: 'mainnet' }),
          wrongCredential: async () =>
            nwc({ connection: await service.seller.connection(['get_info', 'pay_invoice']) }),
        },
        close: async () => {},
      }
    })

    const paying = { name: 'as a wallet', backend: 'nwc', role: 'pay', on } as const
    describeConformance(paying, async () => {
      const connection = await service.buyer.connection()
      return {
        subject: 'payments',
        invoices: await lndSeller(),
        payments: await nwcWallet({ connection }),
        mostFeeMsat: 1000n,
        open: {
          wrongNetwork: () => nwcWallet({ connection, network: 'mainnet' }),
          wrongCredential: async () =>
            nwcWallet({ connection: await service.buyer.connection(['get_info', 'make_invoice']) }),
        },
        close: async () => {},
      }
    })

    it('pays without being allowed to see the balance, and then tells none', async () => {
      const wallet = await nwcWallet({
        connection: await service.buyer.connection(['get_info', 'pay_invoice', 'lookup_invoice']),
      })
      expect(await wallet.balanceMsat()).toBeNull()
      await wallet.close()
    })
  })

  describe.skipIf(!hasLnbits)(hasLnbits ? 'LNbits' : `SKIPPED: LNbits (${noLnbits})`, () => {
    const on = (): string => `${lnbitsVersion} on ${version}`
    let servers: { readonly seller: LabLnbits; readonly buyer: LabLnbits }
    beforeAll(async () => {
      servers = {
        seller: await startLnbits(network.nodes.seller, folder),
        buyer: await startLnbits(network.nodes.buyer, folder),
      }
    }, 200_000)
    afterAll(async () => {
      await servers?.seller.close()
      await servers?.buyer.close()
    })

    const selling = {
      name: 'as a seller, with the invoice key',
      backend: 'lnbits',
      role: 'receive',
      on,
    } as const
    describeConformance(selling, async (faults) => {
      const { url, wallet, restart } = servers.seller
      const { inkey } = await wallet('seller')
      const fetch = faults.wrap(globalThis.fetch)
      return {
        subject: 'invoices',
        invoices: await lnbits({ url, key: inkey, fetch }),
        payments: await lndBuyer(),
        sends: (to) => to.endsWith('/api/v1/payments'),
        open: {
          wrongCredential: () => lnbits({ url, key: '0'.repeat(32) }),
          wrongNetwork: () => lnbits({ url, key: inkey, network: 'mainnet' }),
          nobody: () => lnbits({ url: 'http://127.0.0.1:1', key: inkey }),
        },
        restart,
        secrets: [inkey],
        close: async () => {},
      }
    })

    describe('between wallets of one server', () => {
      const order = { maxFeeMsat: 0n, timeoutMs: 60_000 }
      const ask = { amountMsat: 5_000n, memo: '', expirySeconds: 600 }
      async function pairOn({ url, wallet }: LabLnbits) {
        const [mine, theirs] = [await wallet('mine'), await wallet('theirs')]
        const at = async ({ adminkey, inkey }: typeof mine) => ({
          shop: await lnbits({ url, key: inkey }),
          purse: await lnbitsWallet({ url, key: adminkey }),
        })
        const [rich, poor] = [await at(mine), await at(theirs)]
        const { invoice } = await rich.shop.createInvoice({ ...ask, amountMsat: 1_000_000n })
        await network.pay('seller', invoice)
        await expect.poll(() => rich.purse.balanceMsat(), { timeout: 30_000 }).toBe(1_000_000n)
        return { rich, poor }
      }

      it('and of a wallet to itself, each finds its own half, and nothing is paid twice', async () => {
        const { rich, poor } = await pairOn(servers.buyer)
        for (const [payee, leftMsat] of [
          [poor, 995_000n],
          [rich, 995_000n],
        ] as const) {
          const created = await payee.shop.createInvoice(ask)
          const find = () => rich.purse.lookupPayment(created.paymentHash)
          expect(await find()).toEqual({ status: 'not_found' })
          expect(await payee.shop.lookupInvoice(created.paymentHash)).toBe('open')
          const paid = await rich.purse.pay({ ...created, ...order })
          expect(paid).toMatchObject({ status: 'paid', feeMsat: 0n })
          expect(await find()).toEqual(paid)
          expect(await rich.purse.pay({ ...created, ...order })).toEqual(paid)
          expect(await payee.shop.invoiceDetails?.(created.paymentHash)).toMatchObject({
            state: 'settled',
            amountMsat: 5_000n,
          })
          expect(await poor.purse.lookupPayment(created.paymentHash)).toEqual({ status: 'not_found' })
          expect(await rich.purse.balanceMsat()).toBe(leftMsat)
        }
      })

      it('a payment that cannot be has failed, and hides nothing that was paid from elsewhere', async () => {
        const { rich, poor } = await pairOn(servers.buyer)
        const dear = await rich.shop.createInvoice({ ...ask, amountMsat: 900_000n })
        expect(await poor.purse.pay({ ...dear, ...order })).toMatchObject({ status: 'failed' })
        const created = await rich.shop.createInvoice(ask)
        await network.pay('seller', created.invoice)
        await expect.poll(() => rich.shop.lookupInvoice(created.paymentHash)).toBe('settled')
        // What was paid already is tried once more, by its own payee.
        expect(await rich.purse.pay({ ...created, ...order })).toMatchObject({ status: 'failed' })
        expect(await rich.shop.invoiceDetails?.(created.paymentHash)).toMatchObject({
          state: 'settled',
          amountMsat: 5_000n,
        })
        expect(await rich.purse.balanceMsat()).toBe(1_005_000n)
      })
    })

    const paying = { name: 'as a wallet, with the admin key', backend: 'lnbits', role: 'pay', on } as const
    describeConformance(paying, async (faults) => {
      const { url, wallet, restart } = servers.buyer
      const { adminkey, inkey } = await wallet('buyer')
      // A fresh wallet is empty: the seller's node pays it in.
      const invoices = await lnbits({ url, key: inkey })
      const { invoice } = await invoices.createInvoice({
        amountMsat: 2_000_000n,
        memo: '',
        expirySeconds: 600,
      })
      await network.pay('seller', invoice)
      const payments = await lnbitsWallet({ url, key: adminkey, fetch: faults.wrap(globalThis.fetch) })
      await expect.poll(() => payments.balanceMsat(), { timeout: 30_000 }).toBe(2_000_000n)
      return {
        subject: 'payments',
        invoices: await lndSeller(),
        payments,
        // It works its payments off one after the other.
        patienceMs: 60_000,
        atOnce: 3,
        sends: (to, body) => to.endsWith('/api/v1/payments') && body.includes('"out":true'),
        open: {
          wrongCredential: () => lnbitsWallet({ url, key: inkey }),
          wrongNetwork: () => lnbitsWallet({ url, key: adminkey, network: 'mainnet' }),
          nobody: () => lnbitsWallet({ url: 'http://127.0.0.1:1', key: adminkey }),
        },
        restart,
        secrets: [adminkey],
        close: async () => {},
      }
    })
  })
})
