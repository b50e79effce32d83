/** Nodes that are slow, gone, confused or restarted: nothing is paid twice, and nothing paid is called failed (C3). */

import { isL402Error } from '../../core/errors.ts'
import type { PaymentOutcome } from '../backend.ts'
import type { Bench, CaseBody } from './cases.ts'
import { eventually, expectEqual, expectFault, expectThat, rejection } from './expect.ts'
import type { Fault } from './faults.ts'
import { invoiceOf } from './invoice-cases.ts'
import { expectNoSecret } from './opening-cases.ts'
import { expectPaid, requestFor } from './orders.ts'
import { expectSpent } from './payment-cases.ts'

/** Answers that tell nothing: the payment is made all the same. */
const LOSSES: readonly (readonly [Fault, string])[] = [
  ['lost', 'loses the answer'],
  ['slow', 'answers too late'],
  ['garbage', 'answers garbage'],
]

function lossCase([fault, what]: readonly [Fault, string]): CaseBody {
  return {
    name: `calls a payment unknown when its node ${what}, and then finds it paid, once`,
    of: 'payments',
    async run(bench) {
      const { payments, sends, mostFeeMsat = 0n } = bench.it
      if (payments === undefined || sends === undefined) return 'its requests cannot be picked'
      const created = await invoiceOf(bench, { amountMsat: 9000n })
      const before = await payments.balanceMsat()
      bench.faults.set(fault, sends)
      const timeoutMs = fault === 'slow' ? 2_000 : 20_000
      const order = requestFor(created, { timeoutMs, maxFeeMsat: mostFeeMsat })
      const outcome = await payments.pay(order)
      expectThat(bench.faults.met > 0, 'the request that sends to be picked')
      // A wallet that looks up by itself may know better already.
      expectThat(['unknown', 'pending', 'paid'].includes(outcome.status), `unknown, got ${outcome.status}`)
      if ('detail' in outcome) expectNoSecret(bench.it.secrets, new Error(outcome.detail))
      bench.faults.set(undefined)
      if (!payments.paymentCapabilities.looksUp) {
        expectEqual((await payments.pay(order)).status, outcome.status, 'not paid again')
        return undefined
      }
      const again = (): Promise<PaymentOutcome> => payments.pay({ ...order, timeoutMs: 20_000 })
      const end = await eventually(again, ({ status }) => status === 'paid', { what: 'asked again' })
      expectPaid(end, created.paymentHash)
      const fee = end.status === 'paid' ? end.feeMsat : 0n
      await expectSpent(bench, before, 9000n + fee)
      return undefined
    },
  }
}

async function expectUnsent(bench: Bench): Promise<string | undefined> {
  const { payments, sends } = bench.it
  if (payments === undefined || sends === undefined) return 'its requests cannot be picked'
  const created = await invoiceOf(bench)
  bench.faults.set('refused')
  const error = await rejection(
    payments.pay(requestFor(created)).then((outcome) => {
      // A wallet that asks first, and gets no answer, cannot know.
      if (outcome.status === 'unknown') throw new UnknownOutcome()
      return outcome
    }),
    'paying with nobody there',
  )
  const right = error instanceof UnknownOutcome || isL402Error(error, 'lightning_unavailable')
  expectThat(right, `lightning_unavailable, got ${String(error)}`)
  expectNoSecret(bench.it.secrets, error)
  const lookup = await payments.lookupPayment(created.paymentHash)
  expectThat(['unknown', 'not_found'].includes(lookup.status), `unknown, got ${lookup.status}`)
  if (payments.paymentCapabilities.looksUp) expectEqual(lookup.status, 'unknown', 'a look-up without answer')
  bench.faults.set(undefined)
  return undefined
}

class UnknownOutcome extends Error {}

export const faultCases: readonly CaseBody[] = [
  ...LOSSES.map(lossCase),
  {
    name: 'says that a payment was not sent when nobody is there to send it',
    of: 'payments',
    run: expectUnsent,
  },
  {
    name: 'makes no invoice of garbage, silence or nobody, and names none of its secrets',
    of: 'invoices',
    async run(bench) {
      if (bench.it.sends === undefined) return 'its requests cannot be picked'
      for (const fault of ['garbage', 'lost', 'refused'] as const) {
        bench.faults.set(fault)
        const error = await rejection(invoiceOf(bench), `an invoice with a fault: ${fault}`)
        expectThat(bench.faults.met > 0, 'requests to be picked')
        const named = isL402Error(error, 'lightning_invalid') || isL402Error(error, 'lightning_unavailable')
        expectThat(named, `a fault with a code, got ${String(error)}`)
        expectNoSecret(bench.it.secrets, error)
        await expectFault(
          bench.it.invoices.ping(),
          ['lightning_unavailable', 'lightning_invalid'],
          `a ping with a fault: ${fault}`,
        )
      }
      return undefined
    },
  },
  {
    name: 'gives up on a slow node when its caller does',
    of: 'invoices',
    async run(bench) {
      if (bench.it.sends === undefined) return 'its requests cannot be picked'
      bench.faults.set('slow')
      const made = invoiceOf(bench, { signal: AbortSignal.timeout(300) })
      await expectFault(made, ['lightning_unavailable'], 'a slow invoice')
      return undefined
    },
  },
  {
    name: 'works again after its node was restarted, and has forgotten nothing',
    of: 'either',
    async run(bench) {
      const { restart, payments, invoices, mostFeeMsat = 0n } = bench.it
      if (restart === undefined) return 'its node cannot be restarted here'
      const created = await invoiceOf(bench)
      await restart()
      const ready = async (): Promise<boolean> =>
        await Promise.all([invoices.ping(), payments?.ping?.()]).then(
          () => true,
          () => false,
        )
      await eventually(ready, (value) => value, { what: 'the node is back', timeoutMs: 60_000 })
      if (invoices.invoiceCapabilities.looksUp)
        expectEqual(await invoices.lookupInvoice(created.paymentHash), 'open', 'an invoice from before')
      if (payments === undefined) return undefined
      const order = requestFor(created, { maxFeeMsat: mostFeeMsat })
      const pay = (): Promise<PaymentOutcome> => payments.pay(order)
      const end = await eventually(pay, ({ status }) => status === 'paid', {
        what: 'paying after the restart',
        timeoutMs: 60_000,
      })
      expectPaid(end, created.paymentHash)
      return undefined
    },
  },
  {
    name: 'says that it is gone after close',
    of: 'invoices',
    async run(bench) {
      const { invoices } = bench.it
      await invoices.ping()
      await invoices.close()
      await invoices.close()
      await expectFault(invoices.ping(), ['lightning_unavailable'], 'a ping after close')
      await expectFault(invoiceOf(bench), ['lightning_unavailable'], 'an invoice after close')
      return undefined
    },
  },
]
