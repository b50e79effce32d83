/** Hold invoices: what is paid on them is neither the seller's nor the buyer's until it is settled or given back. */

import { sha256 } from '../../core/hash.ts'
import type { CreatedInvoice, PaymentOutcome } from '../backend.ts'
import type { Bench, CaseBody } from './cases.ts'
import { eventually, expectEqual, expectFault, expectThat, rejection } from './expect.ts'
import { requestFor } from './orders.ts'

interface Held {
  readonly created: CreatedInvoice
  readonly preimage: Uint8Array
}

async function holdInvoice({ it }: Bench): Promise<Held> {
  const preimage = crypto.getRandomValues(new Uint8Array(32))
  const paymentHash = Uint8Array.from(sha256(preimage))
  const terms = { amountMsat: 10_000n, memo: 'on delivery', expirySeconds: 600, paymentHash }
  const created = await it.invoices.createHoldInvoice?.(terms)
  expectThat(created !== undefined, 'a hold invoice')
  expectEqual(created.paymentHash, paymentHash, 'the payment hash')
  return { created, preimage }
}

/** Pays it, and waits until the seller's node holds the payment; the outcome follows. */
async function accepted({ it }: Bench, { created }: Held): Promise<() => Promise<PaymentOutcome>> {
  const patience = { timeoutMs: it.patienceMs ?? 20_000 }
  const paying = it.payments?.pay({ ...requestFor(created), ...patience })
  expectThat(paying !== undefined, 'a buyer')
  const ask = () => it.invoices.lookupInvoice(created.paymentHash)
  await eventually(ask, (state) => state === 'accepted', { what: 'a held payment' })
  return () => paying
}

function why({ it: { invoices, payments } }: Bench): string | undefined {
  if (invoices.invoiceCapabilities.holds !== true) return 'it holds nothing'
  return payments === undefined ? 'there is nobody to pay' : undefined
}

export const holdCases: readonly CaseBody[] = [
  {
    name: 'holds what is paid until it is settled, and gives the preimage to the buyer no sooner',
    of: 'invoices',
    async run(bench) {
      const reason = why(bench)
      if (reason !== undefined) return reason
      const { invoices, payments } = bench.it
      const held = await holdInvoice(bench)
      const { paymentHash } = held.created
      const outcome = await accepted(bench, held)
      const before = await payments?.lookupPayment(paymentHash)
      expectThat(before?.status === 'pending' || before?.status === 'unknown', 'a payment under way')
      const details = await invoices.invoiceDetails?.(paymentHash)
      if (details?.amountMsat !== undefined)
        expectEqual(details.amountMsat, 10_000n, 'the amount that is held')
      await invoices.settleHoldInvoice?.(held.preimage)
      const paid = await outcome()
      expectEqual(paid.status, 'paid', 'the payment')
      if (paid.status === 'paid') expectEqual(paid.preimage, held.preimage, 'the preimage')
      const ask = () => invoices.lookupInvoice(paymentHash)
      await eventually(ask, (state) => state === 'settled', { what: 'a settled payment' })
      await invoices.settleHoldInvoice?.(held.preimage)
      expectEqual(await invoices.cancelInvoice?.(paymentHash), 'settled', 'one that is given back too late')
      return undefined
    },
  },
  {
    name: 'gives back what it holds, and takes nothing for that invoice again',
    of: 'invoices',
    async run(bench) {
      const reason = why(bench)
      if (reason !== undefined) return reason
      const { invoices } = bench.it
      const held = await holdInvoice(bench)
      const { paymentHash } = held.created
      const outcome = await accepted(bench, held)
      expectEqual(await invoices.cancelInvoice?.(paymentHash), 'cancelled', 'a payment that is given back')
      expectEqual((await outcome()).status, 'failed', 'the payment')
      const late = invoices.settleHoldInvoice?.(held.preimage) ?? Promise.resolve()
      await expectFault(late, ['lightning_unavailable', 'lightning_invalid'], 'settling what was given back')
      expectEqual(await invoices.lookupInvoice(paymentHash), 'cancelled', 'looked up')
      return undefined
    },
  },
  {
    name: 'settles nothing that has not been paid',
    of: 'invoices',
    async run(bench) {
      if (bench.it.invoices.invoiceCapabilities.holds !== true) return 'it holds nothing'
      const { created, preimage } = await holdInvoice(bench)
      await rejection(bench.it.invoices.settleHoldInvoice?.(preimage) ?? Promise.resolve(), 'settling it')
      const state = await bench.it.invoices.lookupInvoice(created.paymentHash)
      expectEqual(state, 'open', 'an unpaid hold invoice')
      return undefined
    },
  },
]
