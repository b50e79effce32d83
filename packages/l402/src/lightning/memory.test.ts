import { describe, expect, it } from 'vitest'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { isL402Error } from '../core/errors.ts'
import type { CreatedInvoice } from './backend.ts'
import { describeLightning, expectPaid, requestFor } from './contract.test-suite.ts'
import { type MemoryLightning, type MemoryPayScript, memoryLightning } from './memory.ts'

describeLightning('memoryLightning', async ({ now }) => {
  const lightning = memoryLightning({ now })
  return { invoices: lightning, payments: lightning, close: () => lightning.close() }
})

const invoiceOf = (lightning: MemoryLightning): Promise<CreatedInvoice> =>
  lightning.createInvoice({ amountMsat: 10_000n, memo: '', expirySeconds: 600 })

async function scripted(
  script: MemoryPayScript,
): Promise<{ lightning: MemoryLightning; created: CreatedInvoice }> {
  const lightning = memoryLightning({ onPay: () => script })
  return { lightning, created: await invoiceOf(lightning) }
}

describe('memoryLightning', () => {
  it('makes the same invoices from the same randomness and clock', async () => {
    const make = (): MemoryLightning => {
      let next = 0
      return memoryLightning({
        now: () => 1_700_000_000_000,
        randomBytes: (length) => new Uint8Array(length).fill(++next),
      })
    }
    expect(await invoiceOf(make())).toEqual(await invoiceOf(make()))
  })

  it('makes invoices for the network it is told', async () => {
    const { invoice } = await invoiceOf(memoryLightning({ network: 'signet' }))
    expect(decodeInvoice(invoice).network).toBe('signet')
  })

  it('fails a payment for certain on demand', async () => {
    const { lightning, created } = await scripted({ status: 'failed', detail: 'no liquidity' })
    const failed = { status: 'failed', detail: 'no liquidity' }
    expect(await lightning.pay(requestFor(created))).toEqual(failed)
    expect(await lightning.lookupPayment(created.paymentHash)).toEqual(failed)
    expect(await lightning.lookupInvoice(created.paymentHash)).toBe('open')
  })

  it('pays without telling the preimage on demand', async () => {
    const { lightning, created } = await scripted({ status: 'paid_unproven' })
    const unproven = { status: 'paid_unproven', feeMsat: 0n }
    expect(await lightning.pay(requestFor(created))).toEqual(unproven)
    expect(await lightning.lookupPayment(created.paymentHash)).toEqual(unproven)
    expect(await lightning.lookupInvoice(created.paymentHash)).toBe('settled')
  })

  it.each(['paid', 'failed', 'pending', 'not_found'] as const)(
    'loses the answer of a payment that is %s on demand',
    async (later) => {
      const { lightning, created } = await scripted({ status: 'unknown', later })
      expect((await lightning.pay(requestFor(created))).status).toBe('unknown')
      expect((await lightning.lookupPayment(created.paymentHash)).status).toBe(later)
      expect(await lightning.sellerBalanceMsat()).toBe(later === 'paid' ? 10_000n : 0n)
    },
  )

  it('leaves a payment pending until it is finished', async () => {
    const { lightning, created } = await scripted({ status: 'pending' })
    expect(await lightning.pay(requestFor(created))).toEqual({ status: 'pending' })
    const second = lightning.pay(requestFor(created))
    lightning.finish(created.paymentHash, 'paid')
    expectPaid(await second, created.paymentHash)
    expect(() => lightning.finish(created.paymentHash, 'paid')).toThrow(RangeError)
  })

  it('asks how a payment goes once for all who pay the same hash', async () => {
    let asked = 0
    let decide: (script: MemoryPayScript) => void = () => {}
    const lightning = memoryLightning({
      onPay: () => {
        asked++
        return new Promise((resolve) => {
          decide = resolve
        })
      },
    })
    const created = await invoiceOf(lightning)
    const first = lightning.pay(requestFor(created))
    const second = lightning.pay(requestFor(created))
    expect(await lightning.pay(requestFor(created, { timeoutMs: 1 }))).toMatchObject({ status: 'unknown' })
    expect(await lightning.lookupPayment(created.paymentHash)).toEqual({ status: 'pending' })
    decide({ status: 'paid' })
    expectPaid(await first, created.paymentHash)
    expect(await second).toEqual(await first)
    expect(asked).toBe(1)
  })

  it('throws where nothing was sent, and knows nothing of the payment', async () => {
    const { lightning, created } = await scripted({ status: 'unavailable' })
    const error: unknown = await lightning.pay(requestFor(created)).catch((thrown: unknown) => thrown)
    expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
    expect(await lightning.lookupPayment(created.paymentHash)).toEqual({ status: 'not_found' })
  })

  it('is out of reach while offline and comes back', async () => {
    const lightning = memoryLightning()
    const paid = await invoiceOf(lightning)
    const created = await invoiceOf(lightning)
    await lightning.pay(requestFor(paid))
    lightning.offline = true
    for (const call of [
      () => lightning.ping(),
      () => invoiceOf(lightning),
      () => lightning.pay(requestFor(created)),
      () => lightning.balanceMsat(),
    ]) {
      const error: unknown = await call().catch((thrown: unknown) => thrown)
      expect(isL402Error(error, 'lightning_unavailable')).toBe(true)
    }
    expect(await lightning.lookupPayment(paid.paymentHash)).toMatchObject({ status: 'unknown' })
    expect(await lightning.pay(requestFor(paid))).toMatchObject({ status: 'unknown' })
    lightning.offline = false
    expectPaid(await lightning.pay(requestFor(created)), created.paymentHash)
  })

  it('charges its fee, and pays no more than the buyer allows', async () => {
    const lightning = memoryLightning({ feeMsat: (amount) => amount / 100n, balanceMsat: 30_000n })
    const dear = await invoiceOf(lightning)
    expect((await lightning.pay(requestFor(dear, { maxFeeMsat: 99n }))).status).toBe('failed')
    const created = await invoiceOf(lightning)
    const outcome = await lightning.pay(requestFor(created, { maxFeeMsat: 100n }))
    expect(outcome).toMatchObject({ status: 'paid', feeMsat: 100n })
    expect(await lightning.balanceMsat()).toBe(19_900n)
  })

  it('does not spend more than it has', async () => {
    const lightning = memoryLightning({ balanceMsat: 9999n })
    expect((await lightning.pay(requestFor(await invoiceOf(lightning)))).status).toBe('failed')
  })
})
