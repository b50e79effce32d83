/** Paying: once, exactly, and never a stranger. */

import { encodeInvoice } from '../../core/bolt11/index.ts'
import type { Network } from '../../core/network.ts'
import type { CreatedInvoice, PaymentOutcome, PayRequest } from '../backend.ts'
import type { Bench, CaseBody } from './cases.ts'
import { eventually, expectEqual, expectThat } from './expect.ts'
import { invoiceOf } from './invoice-cases.ts'
import { expectPaid, paid, requestFor } from './orders.ts'

async function pay(
  bench: Bench,
  created: CreatedInvoice,
  more: Partial<PayRequest> = {},
): Promise<PaymentOutcome> {
  const { payments, mostFeeMsat = 0n, patienceMs = 20_000 } = bench.it
  const outcome = await payments?.pay(
    requestFor(created, { maxFeeMsat: mostFeeMsat, timeoutMs: patienceMs, ...more }),
  )
  return outcome ?? { status: 'not_found' }
}

/** The balance once it has come to rest; `null` where the wallet does not say. */
async function balance({ it }: Bench): Promise<bigint | null> {
  return (await it.payments?.balanceMsat()) ?? null
}

/** Throws unless so much has left the wallet; nodes need a moment to count. */
export async function expectSpent(bench: Bench, before: bigint | null, msat: bigint): Promise<void> {
  if (before === null) return
  const spent = async (): Promise<bigint> => before - ((await balance(bench)) ?? 0n)
  await eventually(spent, (value) => value === msat, { what: `spending ${msat} msat` })
}

const STRANGERS: readonly Network[] = ['mainnet', 'testnet', 'regtest']

export const paymentCases: readonly CaseBody[] = [
  {
    name: 'pays an invoice, gives the preimage of its hash, and finds the payment again',
    of: 'payments',
    async run(bench) {
      const { payments } = bench.it
      const created = await invoiceOf(bench)
      const looksUp = payments?.paymentCapabilities.looksUp === true
      const before = looksUp ? await payments?.lookupPayment(created.paymentHash) : undefined
      if (looksUp) expectEqual(before, { status: 'not_found' }, 'a payment that was never sent')
      const outcome = await paid(bench, created)
      if (!looksUp) return undefined
      expectEqual(await payments?.lookupPayment(created.paymentHash), outcome, 'the payment looked up')
      return undefined
    },
  },
  {
    name: 'pays to the millisatoshi, where it can',
    of: 'payments',
    async run(bench) {
      const { invoices, payments } = bench.it
      const exact = payments?.paymentCapabilities.exactMsat !== false
      if (!invoices.invoiceCapabilities.exactMsat || !exact) return 'whole satoshis only'
      await paid(bench, await invoiceOf(bench, { amountMsat: 1_001n }))
      return undefined
    },
  },
  {
    name: 'takes exactly the amount and the fee from the balance',
    of: 'payments',
    async run(bench) {
      const created = await invoiceOf(bench, { amountMsat: 25_000n })
      const before = await balance(bench)
      if (before === null) return 'it does not tell its balance'
      const outcome = await paid(bench, created)
      await expectSpent(bench, before, 25_000n + (outcome.status === 'paid' ? outcome.feeMsat : -1n))
      return undefined
    },
  },
  {
    name: 'pays one hash once, however often it is asked one after the other',
    of: 'payments',
    async run(bench) {
      const created = await invoiceOf(bench)
      const before = await balance(bench)
      const first = await paid(bench, created)
      for (let i = 0; i < 3; i++) expectEqual(await pay(bench, created), first, 'asked again')
      await expectSpent(bench, before, 10_000n + (first.status === 'paid' ? first.feeMsat : 0n))
      return undefined
    },
  },
  {
    name: 'pays one hash once, however often it is asked at the same time',
    of: 'payments',
    async run(bench) {
      const created = await invoiceOf(bench, { amountMsat: 7000n })
      const before = await balance(bench)
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => pay(bench, created)))
      for (const outcome of outcomes) expectEqual(outcome, outcomes[0], 'everybody hears the same')
      expectPaid(outcomes[0], created.paymentHash)
      const fee = outcomes[0]?.status === 'paid' ? outcomes[0].feeMsat : 0n
      await expectSpent(bench, before, 7000n + fee)
      return undefined
    },
  },
  {
    name: 'serves several payments at once',
    of: 'payments',
    async run(bench) {
      const { atOnce = 8 } = bench.it
      const amounts = Array.from({ length: atOnce }, (_, i) => 30_000n + 1000n * BigInt(i))
      const created = await Promise.all(amounts.map((amountMsat) => invoiceOf(bench, { amountMsat })))
      const outcomes = await Promise.all(created.map((one) => pay(bench, one)))
      for (const [i, one] of created.entries()) expectPaid(outcomes[i], one.paymentHash)
      return undefined
    },
  },
  {
    name: 'ends a call at its time-out with the truth or unknown, and pays all the same',
    of: 'payments',
    async run(bench) {
      const created = await invoiceOf(bench)
      const hasty = await pay(bench, created, { timeoutMs: 1 })
      expectThat(['unknown', 'paid', 'pending'].includes(hasty.status), `unknown, got ${hasty.status}`)
      const again = () => pay(bench, created)
      const end = await eventually(again, ({ status }) => status !== 'pending' && status !== 'unknown', {
        what: 'paying again',
        timeoutMs: 60_000,
      })
      expectPaid(end, created.paymentHash)
      return undefined
    },
  },
  {
    name: 'does not pay an invoice that was tampered with, and still pays the true one',
    of: 'payments',
    async run(bench) {
      const created = await invoiceOf(bench)
      const at = created.invoice.length - 20
      const other = created.invoice[at] === 'q' ? 'p' : 'q'
      const tampered = created.invoice.slice(0, at) + other + created.invoice.slice(at + 1)
      for (const invoice of [tampered, 'lnbcrt1', ''])
        expectEqual((await pay(bench, created, { invoice })).status, 'failed', 'a tampered invoice')
      const dearer = await pay(bench, created, { amountMsat: created.amountMsat + 1000n })
      expectEqual(dearer.status, 'failed', 'an order for another amount')
      await paid(bench, created)
      return undefined
    },
  },
  ...STRANGERS.map(
    (network): CaseBody => ({
      name: `does not pay a stranger on ${network}`,
      of: 'payments',
      async run(bench) {
        const paymentHash = crypto.getRandomValues(new Uint8Array(32))
        const fields = {
          network,
          amountMsat: 10_000n,
          timestamp: Math.floor(Date.now() / 1000),
          paymentHash,
          paymentSecret: new Uint8Array(32).fill(7),
          description: 'elsewhere',
        }
        const invoice = encodeInvoice(fields, new Uint8Array(32).fill(1))
        const before = await balance(bench)
        const outcome = await pay(bench, { invoice, paymentHash, amountMsat: 10_000n, expiresAt: 0 })
        // On its own network a wallet may only say that it does not know.
        const own = network === bench.it.invoices.network
        const right = outcome.status === 'failed' || (own && outcome.status === 'unknown')
        expectThat(right, `failed, got ${outcome.status}`)
        await expectSpent(bench, before, 0n)
        return undefined
      },
    }),
  ),
  {
    name: 'knows nothing of payments it has not sent',
    of: 'payments',
    async run(bench) {
      const { payments } = bench.it
      if (payments?.paymentCapabilities.looksUp !== true) return 'it does not look up'
      const hash = crypto.getRandomValues(new Uint8Array(32))
      expectEqual(await payments.lookupPayment(hash), { status: 'not_found' }, 'a stranger')
      return undefined
    },
  },
]
