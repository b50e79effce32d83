/** Invoices of a Core Lightning node. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { InvoiceBackend, InvoiceState, Settlement, SettlementsFrom } from '../backend.ts'
import { expectNetwork } from '../lib/networks.ts'
import { answerOf, failCall } from '../lib/rest.ts'
import { mayAlsoPay, seller } from '../lib/seller.ts'
import { hash32, type JsonObject, listOf, objectOf, wholeOf } from '../lib/values.ts'
import { clnInvoiceCapabilities } from './capabilities.ts'
import {
  type Cln,
  type ClnOptions,
  callCln,
  checkMethods,
  clnClient,
  clnNetwork,
  isRuneDenied,
} from './client.ts'

const METHODS = ['getinfo', 'invoice', 'listinvoices', 'delinvoice', 'waitanyinvoice', 'wait']

/** One wait for the next settlement; then it is asked again. */
const WAIT_SECONDS = 60

/** {@link ClnOptions}, and what invoices are to be like. */
export interface ClnInvoicesOptions extends ClnOptions {
  /**
   * Puts hints for private channels into invoices. Left out, the node does so by itself where it has no public ones;
   * `false`: never.
   */
  readonly routeHints?: boolean
}

/**
 * Invoices of a Core Lightning node. A rune for `getinfo`, `invoice`, `listinvoices`, `delinvoice`, `waitanyinvoice`
 * and `wait` is enough; with `listpeerchannels` it tells what can be received.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function cln(options: ClnInvoicesOptions): Promise<InvoiceBackend> {
  const rest = clnClient(options, METHODS)
  const { now = Date.now } = options
  const network = expectNetwork(rest.who, await clnNetwork(rest), options.network)
  const find = (paymentHash: Uint8Array): Promise<JsonObject | undefined> => findInvoice(rest, paymentHash)
  await find(new Uint8Array(32))
  // Each lacks something that the method needs.
  await checkMethods(rest, {
    invoice: {},
    delinvoice: {},
    waitanyinvoice: { lastpay_index: 'none' },
    wait: {},
  })
  const tried = await rest.call('v1/xpay', { method: 'POST', json: { invstring: 'none' } })
  const mayPay = tried.kind === 'answered' && tried.status !== 404 && !isRuneDenied(tried)
  const stateOf = (invoice: JsonObject | undefined): InvoiceState => {
    if (invoice === undefined) return 'unknown'
    if (invoice['status'] === 'paid') return 'settled'
    if (invoice['status'] === 'expired' || now() / 1000 >= Number(invoice['expires_at'])) return 'expired'
    return 'open'
  }
  const cancelled = new Set<string>()
  const base = seller({
    who: rest.who,
    network,
    warnings: mayPay ? [mayAlsoPay(rest.who, 'rune', 'one that is restricted to its methods')] : [],
    capabilities: clnInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const terms = {
        amount_msat: Number(amountMsat),
        description: memo,
        expiry: expirySeconds,
        ...(options.routeHints === undefined ? {} : { exposeprivatechannels: options.routeHints }),
      }
      const label = `turnpike-${crypto.randomUUID()}`
      const made = await callCln(rest, 'invoice', { ...terms, label }, { signal })
      return { invoice: made['bolt11'], paymentHash: hash32(made['payment_hash']) }
    },
    async lookup(paymentHash) {
      const invoice = await find(paymentHash)
      if (invoice === undefined && cancelled.has(encodeHex(paymentHash))) return 'cancelled'
      const [amountMsat, settledAt] = [
        wholeOf(invoice?.['amount_received_msat']),
        wholeOf(invoice?.['paid_at']),
      ]
      return {
        state: stateOf(invoice),
        amountMsat,
        settledAt,
        preimage: hash32(invoice?.['payment_preimage']),
      }
    },
    ping: async () => void (await find(new Uint8Array(32))),
    receivable: () => receivableMsat(rest),
  })
  return {
    ...base,
    settlements: (from) => settlements(rest, from),
    async cancelInvoice(paymentHash) {
      const invoice = await find(paymentHash)
      if (stateOf(invoice) !== 'open') return stateOf(invoice)
      // Fails where it has been paid meanwhile.
      await callCln(rest, 'delinvoice', { label: invoice?.['label'], status: 'unpaid' }).catch(() => {})
      const left = await find(paymentHash)
      if (left !== undefined) return stateOf(left)
      cancelled.add(encodeHex(paymentHash))
      return 'cancelled'
    },
  }
}

/** Over the channels that work; a rune need not allow to ask. */
async function receivableMsat(rest: Cln): Promise<bigint | null> {
  const answer = answerOf(rest, await rest.call('v1/listpeerchannels', { method: 'POST', json: {} }))
  if (isRuneDenied(answer)) return null
  const { channels } = objectOf(answer.body)
  if ((answer.status !== 200 && answer.status !== 201) || !Array.isArray(channels))
    return failCall(rest, answer)
  return channels
    .map(objectOf)
    .filter(({ state, peer_connected }) => state === 'CHANNELD_NORMAL' && peer_connected !== false)
    .reduce((sum, one) => sum + (wholeOf(one['receivable_msat']) ?? 0n), 0n)
}

async function findInvoice(rest: Cln, paymentHash: Uint8Array): Promise<JsonObject | undefined> {
  const body = await callCln(rest, 'listinvoices', { payment_hash: encodeHex(paymentHash) })
  const { invoices } = body
  if (!Array.isArray(invoices))
    throw new L402Error('lightning_invalid', `${rest.who}: an answer that is not understood`)
  return invoices.length === 0 ? undefined : objectOf(invoices[0])
}

async function* settlements(rest: Cln, { after, signal }: SettlementsFrom): AsyncGenerator<Settlement> {
  if (after !== undefined && !/^\d{1,15}$/.test(after))
    throw new RangeError("after: expected the cursor of one of Core Lightning's settlements")
  let index = after === undefined ? await lastIndex(rest) : Number(after)
  while (!signal.aborted) {
    const ask = { lastpay_index: index, timeout: WAIT_SECONDS }
    const timeoutMs = (WAIT_SECONDS + 30) * 1000
    const paid = await callCln(rest, 'waitanyinvoice', ask, { signal, timeoutMs }).catch((error: unknown) => {
      // 904: nothing was paid in that time. An abort ends the wait as well.
      const quiet = error instanceof L402Error && /timed? ?out|904/i.test(error.message)
      if (quiet || signal.aborted) return undefined
      throw error
    })
    if (paid === undefined) continue
    const paymentHash = hash32(paid['payment_hash'])
    const amountMsat = wholeOf(paid['amount_received_msat'])
    const next = wholeOf(paid['pay_index'])
    if (paymentHash === undefined || amountMsat === undefined || next === undefined)
      throw new L402Error('lightning_invalid', `${rest.who}: a settlement that is not understood`)
    index = Number(next)
    yield { paymentHash, amountMsat, cursor: String(next) }
  }
}

/** Where settlements stand now: the newest few are asked, never the whole history. */
async function lastIndex(rest: Cln): Promise<number> {
  const { updated } = await callCln(rest, 'wait', {
    subsystem: 'invoices',
    indexname: 'updated',
    nextvalue: 0,
  })
  const start = Math.max(1, Number(wholeOf(updated) ?? 1n) - 100)
  const body = await callCln(rest, 'listinvoices', { index: 'updated', start, limit: 200 })
  const indices = listOf(body['invoices']).map((one) => Number(wholeOf(objectOf(one)['pay_index']) ?? 0n))
  return Math.max(0, ...indices)
}
