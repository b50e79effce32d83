/** Paying, in cases. */

import { encodeHex } from '../../core/bytes.ts'
import { sha256 } from '../../core/hash.ts'
import type { CreatedInvoice, PaymentOutcome, PayRequest } from '../backend.ts'
import type { Bench } from './cases.ts'
import { expectEqual, expectThat } from './expect.ts'

/** The order for an invoice: no fee, twenty seconds. */
export function requestFor(created: CreatedInvoice, more: Partial<PayRequest> = {}): PayRequest {
  const { invoice, paymentHash, amountMsat } = created
  return { invoice, paymentHash, amountMsat, maxFeeMsat: 0n, timeoutMs: 20_000, ...more }
}

/** Throws unless the outcome proves the payment. */
export function expectPaid(outcome: PaymentOutcome | undefined, paymentHash: Uint8Array): void {
  expectThat(outcome?.status === 'paid', `paid, got ${JSON.stringify(outcome?.status)} ${detailOf(outcome)}`)
  if (outcome?.status !== 'paid') return
  expectEqual(encodeHex(sha256(outcome.preimage)), encodeHex(paymentHash), 'the hash of the preimage')
}

function detailOf(outcome: PaymentOutcome | undefined): string {
  return outcome !== undefined && 'detail' in outcome ? outcome.detail : ''
}

/** Pays an invoice of the bench; throws unless that is proven. */
export async function paid({ it }: Bench, created: CreatedInvoice): Promise<PaymentOutcome> {
  const outcome = await it.payments?.pay(
    requestFor(created, { maxFeeMsat: it.mostFeeMsat ?? 0n, timeoutMs: it.patienceMs ?? 20_000 }),
  )
  expectPaid(outcome, created.paymentHash)
  return outcome ?? { status: 'not_found' }
}
