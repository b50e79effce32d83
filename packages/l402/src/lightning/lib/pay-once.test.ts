import { describe, expect, it } from 'vitest'
import { encodeInvoice } from '../../core/bolt11/index.ts'
import { sha256 } from '../../core/hash.ts'
import type { PayRequest } from '../backend.ts'
import { payOnce } from './pay-once.ts'

const preimage = new Uint8Array(32).fill(5)
const paymentHash = Uint8Array.from(sha256(preimage))

function request(named: bigint | null, more: Partial<PayRequest>): PayRequest {
  const fields = { network: 'regtest', amountMsat: named, timestamp: 1_800_000_000 } as const
  const key = new Uint8Array(32).fill(1)
  const invoice = encodeInvoice({ ...fields, description: 'x', paymentHash, paymentSecret: preimage }, key)
  return { invoice, paymentHash, amountMsat: 7_000n, maxFeeMsat: 0n, timeoutMs: 1_000, ...more }
}

async function pay(asked: PayRequest): Promise<{ status: string; sent: readonly PayRequest[] }> {
  const sent: PayRequest[] = []
  const once = payOnce({
    network: 'regtest',
    now: () => 1_800_000_000_000,
    lookup: async () => ({ status: 'not_found' }),
    send: async (what) => {
      sent.push(what)
      return { status: 'paid', preimage, feeMsat: 0n }
    },
  })
  return { status: (await once(asked)).status, sent }
}

describe('an invoice without an amount', () => {
  it('is paid where that is meant, with the amount that was said', async () => {
    const { status, sent } = await pay(request(null, { anyAmount: true }))
    expect(status).toBe('paid')
    expect(sent).toMatchObject([{ amountMsat: 7_000n, anyAmount: true }])
  })

  it('is not paid where it is not meant, nor another one in its place (rule C2)', async () => {
    expect(await pay(request(null, {}))).toEqual({ status: 'failed', sent: [] })
    expect(await pay(request(7_000n, { anyAmount: true }))).toEqual({ status: 'failed', sent: [] })
    expect((await pay(request(7_000n, {}))).status).toBe('paid')
  })
})
