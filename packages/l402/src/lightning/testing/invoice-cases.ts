/** Making invoices, and knowing what became of them. */

import { decodeInvoice } from '../../core/bolt11/index.ts'
import type { CreatedInvoice, InvoiceRequest, Settlement } from '../backend.ts'
import { roundUpToSat } from '../lib/invoice-facts.ts'
import type { Bench, CaseBody } from './cases.ts'
import { eventually, expectEqual, expectFault, expectThat, rejection } from './expect.ts'
import { paid, requestFor } from './orders.ts'

/** An invoice of the bench. */
export function invoiceOf(
  { it }: Bench,
  terms: Partial<InvoiceRequest> & { readonly amountMsat?: bigint } = {},
): Promise<CreatedInvoice> {
  return it.invoices.createInvoice({ amountMsat: 10_000n, memo: 'a page', expirySeconds: 600, ...terms })
}

const WRONG_TERMS: readonly (readonly [string, Partial<InvoiceRequest>])[] = [
  ['an amount of zero', { amountMsat: 0n }],
  ['a negative amount', { amountMsat: -1n }],
  ['more bitcoin than there is', { amountMsat: 2n ** 63n }],
  ['an expiry of zero', { expirySeconds: 0 }],
  ['a broken expiry', { expirySeconds: 1.5 }],
  ['a memo of 640 bytes', { memo: 'é'.repeat(320) }],
]

export const invoiceCases: readonly CaseBody[] = [
  {
    name: 'makes invoices with the terms that were asked for, to the millisatoshi or rounded up',
    of: 'invoices',
    async run(bench) {
      const { invoices } = bench.it
      const memo = 'Wetter für Zürich ⚡'
      const before = Math.floor(Date.now() / 1000)
      const created = await invoiceOf(bench, { amountMsat: 12_345n, memo, expirySeconds: 900 })
      const decoded = decodeInvoice(created.invoice)
      const amountMsat = invoices.invoiceCapabilities.exactMsat ? 12_345n : roundUpToSat(12_345n)
      expectEqual(decoded.amountMsat, amountMsat, "the invoice's amount")
      expectEqual(created.amountMsat, amountMsat, 'the amount said')
      expectEqual(decoded.network, invoices.network, 'the network')
      expectEqual(decoded.paymentHash, created.paymentHash, 'the payment hash')
      expectEqual(created.expiresAt, decoded.expiresAt, 'the expiry said')
      if (invoices.invoiceCapabilities.setsExpiry === false) return undefined
      // A clock of its own, and seconds that pass.
      const late = decoded.expiresAt - before - 900
      expectThat(late >= -5 && late <= 30, `an expiry 900 seconds away, got ${late} off`)
      return undefined
    },
  },
  {
    name: 'makes an invoice with the longest memo',
    of: 'invoices',
    async run(bench) {
      const created = await invoiceOf(bench, { memo: 'm'.repeat(639) })
      expectEqual(decodeInvoice(created.invoice).amountMsat, created.amountMsat, 'the amount')
      return undefined
    },
  },
  ...WRONG_TERMS.map(
    ([what, wrong]): CaseBody => ({
      name: `refuses to make an invoice with ${what}`,
      of: 'invoices',
      async run(bench) {
        const error = await rejection(invoiceOf(bench, wrong), what)
        expectThat(error instanceof RangeError, `a RangeError, got ${String(error)}`)
        return undefined
      },
    }),
  ),
  {
    name: 'makes no invoice for a caller that has given up',
    of: 'invoices',
    async run(bench) {
      const made = invoiceOf(bench, { signal: AbortSignal.abort() })
      await expectFault(made, ['lightning_unavailable'], 'an aborted invoice')
      return undefined
    },
  },
  {
    name: 'knows the state of its invoices, and nothing of others',
    of: 'invoices',
    async run(bench) {
      const { invoices, payments } = bench.it
      if (!invoices.invoiceCapabilities.looksUp) return 'it does not look up'
      const created = await invoiceOf(bench)
      expectEqual(await invoices.lookupInvoice(created.paymentHash), 'open', 'a fresh invoice')
      const stranger = crypto.getRandomValues(new Uint8Array(32))
      expectEqual(await invoices.lookupInvoice(stranger), 'unknown', "a stranger's")
      if (payments === undefined) return undefined
      await paid(bench, created)
      const ask = () => invoices.lookupInvoice(created.paymentHash)
      await eventually(ask, (state) => state === 'settled', { what: 'a paid invoice' })
      if (invoices.invoiceDetails === undefined) return undefined
      const { state, amountMsat, settledAt } = await invoices.invoiceDetails(created.paymentHash)
      expectEqual(state, 'settled', 'the details of a paid invoice')
      if (amountMsat !== undefined) expectThat(amountMsat >= created.amountMsat, 'the amount that came in')
      const secondsOff = Math.abs((settledAt ?? Date.now() / 1000) - Date.now() / 1000)
      expectThat(secondsOff < 24 * 3600, 'the time at which it came in, in unix seconds')
      return undefined
    },
  },
  {
    name: 'calls an invoice expired once it is',
    of: 'invoices',
    async run(bench) {
      const { invoices, payments } = bench.it
      if (!invoices.invoiceCapabilities.looksUp) return 'it does not look up'
      const created = await invoiceOf(bench, { expirySeconds: 1 }).catch(() => undefined)
      if (created === undefined || created.expiresAt - Date.now() / 1000 > 5)
        return 'its invoices live longer'
      const ask = () => invoices.lookupInvoice(created.paymentHash)
      await eventually(ask, (state) => state === 'expired', { what: 'an invoice of one second' })
      if (payments === undefined) return undefined
      const outcome = await payments.pay(requestFor(created))
      expectEqual(outcome.status, 'failed', 'paying an expired invoice')
      return undefined
    },
  },
  {
    name: 'takes an unpaid invoice back, where it says so',
    of: 'invoices',
    async run(bench) {
      const { invoices } = bench.it
      if (!invoices.invoiceCapabilities.cancels) return 'it does not take invoices back'
      const created = await invoiceOf(bench)
      expectEqual(await invoices.cancelInvoice?.(created.paymentHash), 'cancelled', 'a cancelled invoice')
      expectEqual(await invoices.lookupInvoice(created.paymentHash), 'cancelled', 'looked up')
      return undefined
    },
  },
  {
    name: 'tells of settlements, also of those it was not listening for, each once and in order',
    of: 'invoices',
    async run(bench) {
      const { invoices, payments } = bench.it
      if (!invoices.invoiceCapabilities.subscribes) return 'it does not tell of settlements'
      if (payments === undefined) return 'there is nobody to pay'
      const heard: Settlement[] = []
      const listen = async (after: string | undefined, until: (heard: readonly Settlement[]) => boolean) => {
        const ended = new AbortController()
        const from = { signal: ended.signal, ...(after === undefined ? {} : { after }) }
        const limit = setTimeout(() => ended.abort(), 20_000)
        for await (const settlement of invoices.settlements?.(from) ?? []) {
          heard.push(settlement)
          if (until(heard)) break
        }
        clearTimeout(limit)
        ended.abort()
      }
      const first = await invoiceOf(bench, { amountMsat: 21_000n })
      const listening = listen(undefined, (all) => all.length === 1)
      // Whether it listens already is nothing that can be asked; so pay until it has heard.
      const extra: CreatedInvoice[] = [first]
      await paid(bench, first)
      while (heard.length === 0 && extra.length < 40) {
        const again = await invoiceOf(bench, { amountMsat: 21_000n })
        extra.push(again)
        await paid(bench, again)
      }
      await listening
      const at = heard[0]
      expectThat(at !== undefined, 'a settlement')
      expectEqual(at.amountMsat, 21_000n, 'the amount settled')
      const [second, third] = [await invoiceOf(bench), await invoiceOf(bench)]
      await paid(bench, second)
      await paid(bench, third)
      const before = heard.length
      const isThird = (one: Settlement | undefined): boolean =>
        one !== undefined && String(one.paymentHash) === String(third.paymentHash)
      await listen(at.cursor, (all) => isThird(all.at(-1)))
      const hashes = heard.slice(before).map(({ paymentHash }) => String(paymentHash))
      const wanted = [second, third].map(({ paymentHash }) => String(paymentHash))
      expectEqual(hashes.slice(-2), wanted, 'what was settled meanwhile')
      expectEqual(new Set(hashes).size, hashes.length, 'each once')
      return undefined
    },
  },
]
