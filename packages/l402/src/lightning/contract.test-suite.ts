/** What every Lightning backend must do, run on each of them. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeInvoice, encodeInvoice } from '../core/bolt11/index.ts'
import { encodeHex } from '../core/bytes.ts'
import { isL402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { Network } from '../core/network.ts'
import type { CreatedInvoice, InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from './backend.ts'

/** Both ends of one network. */
interface LightningUnderTest {
  readonly invoices: InvoiceBackend
  readonly payments: PaymentBackend
  close(): Promise<void>
}

export type MakeLightning = (options: { now: () => number }) => Promise<LightningUnderTest>

/** A clock that runs with the machine's and can be put forward. */
class Clock {
  #ahead = 0
  readonly now = (): number => Date.now() + this.#ahead

  forward(seconds: number): void {
    this.#ahead += seconds * 1000
  }
}

export function requestFor(created: CreatedInvoice, more: Partial<PayRequest> = {}): PayRequest {
  const { invoice, paymentHash, amountMsat } = created
  return { invoice, paymentHash, amountMsat, maxFeeMsat: 0n, timeoutMs: 20_000, ...more }
}

export function expectPaid(outcome: PaymentOutcome, paymentHash: Uint8Array): void {
  expect(outcome.status).toBe('paid')
  if (outcome.status === 'paid') expect(encodeHex(sha256(outcome.preimage))).toBe(encodeHex(paymentHash))
}

export function describeLightning(name: string, make: MakeLightning): void {
  describe(`${name} as a Lightning backend`, () => {
    const clock = new Clock()
    let lightning: LightningUnderTest

    const invoice = (amountMsat = 10_000n, expirySeconds = 600): Promise<CreatedInvoice> =>
      lightning.invoices.createInvoice({ amountMsat, memo: 'a page', expirySeconds })
    const pay = (created: CreatedInvoice, more: Partial<PayRequest> = {}): Promise<PaymentOutcome> =>
      lightning.payments.pay(requestFor(created, more))
    const balance = async (): Promise<bigint> => (await lightning.payments.balanceMsat()) ?? 0n

    beforeAll(async () => {
      lightning = await make({ now: clock.now })
    })
    afterAll(async () => {
      await lightning.close()
    })

    it('makes invoices with the exact terms that were asked for', async () => {
      for (const seconds of [0, 3, 7200]) {
        clock.forward(seconds)
        const before = Math.floor(clock.now() / 1000)
        const created = await lightning.invoices.createInvoice({
          amountMsat: 12_345n,
          memo: 'Wetter für Zürich ⚡',
          expirySeconds: 900,
        })
        const after = Math.floor(clock.now() / 1000)
        const decoded = decodeInvoice(created.invoice)
        expect(decoded.network).toBe(lightning.invoices.network)
        expect(decoded.amountMsat).toBe(12_345n)
        expect(decoded.description).toBe('Wetter für Zürich ⚡')
        expect(decoded.paymentHash).toEqual(created.paymentHash)
        expect(decoded.timestamp).toBeGreaterThanOrEqual(before)
        expect(decoded.timestamp).toBeLessThanOrEqual(after)
        expect(decoded.expirySeconds).toBe(900)
        expect(created.expiresAt).toBe(decoded.expiresAt)
        expect(created.amountMsat).toBe(12_345n)
      }
    })

    it('pays an invoice and gives the preimage of its hash', async () => {
      const created = await invoice()
      expect(await lightning.invoices.lookupInvoice(created.paymentHash)).toBe('open')
      expect(await lightning.payments.lookupPayment(created.paymentHash)).toEqual({ status: 'not_found' })
      const outcome = await pay(created)
      expectPaid(outcome, created.paymentHash)
      expect(await lightning.invoices.lookupInvoice(created.paymentHash)).toBe('settled')
      expect(await lightning.payments.lookupPayment(created.paymentHash)).toEqual(outcome)
    })

    it('pays a single millisatoshi', async () => {
      const created = await invoice(1n)
      expectPaid(await pay(created), created.paymentHash)
    })

    it('takes exactly the amount and the fee from the balance', async () => {
      const created = await invoice(25_000n)
      const before = await balance()
      const outcome = await pay(created)
      const fee = outcome.status === 'paid' ? outcome.feeMsat : -1n
      expect(before - (await balance())).toBe(25_000n + fee)
    })

    it('pays one hash once, however often it is asked one after the other', async () => {
      const created = await invoice()
      const first = await pay(created)
      const before = await balance()
      expect(await pay(created)).toEqual(first)
      expect(await balance()).toBe(before)
    })

    it('pays one hash once, however often it is asked at the same time', async () => {
      const created = await invoice(7000n)
      const before = await balance()
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => pay(created)))
      for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0])
      expectPaid(outcomes[0] ?? { status: 'not_found' }, created.paymentHash)
      expect(before - (await balance())).toBe(7000n)
    })

    it('serves 32 payments at once', async () => {
      const created = await Promise.all(Array.from({ length: 32 }, (_, i) => invoice(300_000n + BigInt(i))))
      const outcomes = await Promise.all(created.map((one) => pay(one)))
      for (const [i, outcome] of outcomes.entries()) {
        expectPaid(outcome, created[i]?.paymentHash ?? new Uint8Array())
      }
    })

    it('ends a call at its time-out with the truth or unknown, and pays all the same', async () => {
      const created = await invoice()
      const hasty = await pay(created, { timeoutMs: 1 })
      expect(['unknown', 'paid']).toContain(hasty.status)
      expectPaid(await pay(created), created.paymentHash)
      expectPaid(await lightning.payments.lookupPayment(created.paymentHash), created.paymentHash)
    })

    it('does not pay an expired invoice', async () => {
      const created = await invoice(10_000n, 30)
      clock.forward(30)
      expect(await lightning.invoices.lookupInvoice(created.paymentHash)).toBe('expired')
      expect((await pay(created)).status).toBe('failed')
      expect(await lightning.payments.lookupPayment(created.paymentHash)).toEqual({ status: 'not_found' })
    })

    it('does not pay an invoice that was tampered with, and still pays the true one', async () => {
      const created = await invoice(10_000n)
      const at = created.invoice.length - 20
      const other = created.invoice[at] === 'q' ? 'p' : 'q'
      const tampered = created.invoice.slice(0, at) + other + created.invoice.slice(at + 1)
      expect((await pay(created, { invoice: tampered })).status).toBe('failed')
      expect((await pay(created, { invoice: 'lnbcrt1' })).status).toBe('failed')
      expectPaid(await pay(created), created.paymentHash)
    })

    it.each<Network>(['mainnet', 'testnet', 'regtest'])('does not pay a stranger on %s', async (network) => {
      const paymentHash = crypto.getRandomValues(new Uint8Array(32))
      const fields = {
        network,
        amountMsat: 10_000n,
        timestamp: Math.floor(clock.now() / 1000),
        paymentHash,
        paymentSecret: new Uint8Array(32).fill(7),
        description: 'elsewhere',
      }
      const text = encodeInvoice(fields, new Uint8Array(32).fill(1))
      const stranger = { invoice: text, paymentHash, amountMsat: 10_000n, expiresAt: 0 }
      const outcome = await pay(stranger)
      expect(outcome.status).toBe('failed')
    })

    it('knows nothing of hashes it has not seen', async () => {
      const hash = crypto.getRandomValues(new Uint8Array(32))
      expect(await lightning.invoices.lookupInvoice(hash)).toBe('unknown')
      expect(await lightning.payments.lookupPayment(hash)).toEqual({ status: 'not_found' })
    })

    it.each([
      ['an amount of zero', { amountMsat: 0n }],
      ['a negative amount', { amountMsat: -1n }],
      ['more bitcoin than there is', { amountMsat: 2n ** 63n }],
      ['an expiry of zero', { expirySeconds: 0 }],
      ['a broken expiry', { expirySeconds: 1.5 }],
      ['a memo of 640 bytes', { memo: 'é'.repeat(320) }],
    ])('refuses to make an invoice with %s', async (_, wrong) => {
      const terms = { amountMsat: 1000n, memo: '', expirySeconds: 60, ...wrong }
      await expect(lightning.invoices.createInvoice(terms)).rejects.toThrow(RangeError)
    })

    it('makes an invoice with the longest memo', async () => {
      const terms = { amountMsat: 1000n, memo: 'm'.repeat(639), expirySeconds: 60 }
      const created = await lightning.invoices.createInvoice(terms)
      expect(decodeInvoice(created.invoice).description).toBe(terms.memo)
    })

    it('makes no invoice for a caller that has given up', async () => {
      const terms = { amountMsat: 1000n, memo: '', expirySeconds: 60, signal: AbortSignal.abort() }
      const error: unknown = await lightning.invoices.createInvoice(terms).catch((thrown: unknown) => thrown)
      expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
    })

    it('says that it is gone after close', async () => {
      await expect(lightning.invoices.ping()).resolves.toBeUndefined()
      await lightning.invoices.close()
      await lightning.invoices.close()
      const error: unknown = await lightning.invoices.ping().catch((thrown: unknown) => thrown)
      expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
      const another: unknown = await invoice().catch((thrown: unknown) => thrown)
      expect(isL402Error(another, 'lightning_unavailable')).toBe(true)
    })
  })
}
