/** The kit on Lightning in memory; and that it fails what it must fail. */

import { describe, expect, it } from 'vitest'
import { describeConformance } from '../../test/support/conformance.ts'
import type { PaymentBackend } from './backend.ts'
import { memoryLightning } from './memory.ts'
import { type LightningUnderTest, lightningCases } from './testing/index.ts'

const inMemory = (
  change: (real: PaymentBackend) => Partial<PaymentBackend> = () => ({}),
): LightningUnderTest => {
  const memory = memoryLightning()
  const methods: PaymentBackend = {
    network: memory.network,
    paymentCapabilities: memory.paymentCapabilities,
    pay: (request) => memory.pay(request),
    lookupPayment: (hash) => memory.lookupPayment(hash),
    balanceMsat: () => memory.balanceMsat(),
    close: () => memory.close(),
  }
  return { invoices: memory, payments: { ...methods, ...change(methods) }, close: () => memory.close() }
}

describeConformance('Lightning in memory', async () => inMemory())

/** Names of the cases that a backend fails. */
async function failures(it: LightningUnderTest): Promise<readonly string[]> {
  const failed: string[] = []
  for (const { name, run } of lightningCases(async () => it)) await run().catch(() => failed.push(name))
  return failed
}

describe('the kit', () => {
  it('fails a wallet that gives a wrong preimage', async () => {
    const wrong = inMemory((real) => ({
      async pay(request) {
        const outcome = await real.pay(request)
        return outcome.status === 'paid' ? { ...outcome, preimage: new Uint8Array(32) } : outcome
      },
    }))
    expect(await failures(wrong)).toContain(
      'pays an invoice, gives the preimage of its hash, and finds the payment again',
    )
  })

  it('fails a wallet that calls everything failed that takes too long', async () => {
    const hasty = inMemory((real) => ({
      pay: async (request) =>
        request.timeoutMs < 10 ? { status: 'failed', detail: 'too slow' } : await real.pay(request),
    }))
    expect(await failures(hasty)).toEqual([
      'ends a call at its time-out with the truth or unknown, and pays all the same',
    ])
  })
})
