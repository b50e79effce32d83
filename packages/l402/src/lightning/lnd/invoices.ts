/** Invoices of an lnd node, over REST. */

import { encodeBase64, encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import { sha256 } from '../../core/hash.ts'
import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  Settlement,
  SettlementsFrom,
} from '../backend.ts'
import { checkCreated, readInvoice } from '../lib/invoice-facts.ts'
import { assertOpen, beginInvoice } from '../lib/invoice-terms.ts'
import { answerOf, errorText, failCall, type Rest, type RestAnswer } from '../lib/rest.ts'
import { detailsOf, mayAlsoPay } from '../lib/seller.ts'
import { hash32Base64, type JsonObject, listOf, objectOf, wholeOf } from '../lib/values.ts'
import { lndInvoiceCapabilities } from './capabilities.ts'
import {
  denied,
  expectNetwork,
  isDenied,
  type LndOptions,
  lndClient,
  networkByInfo,
  tryToPay,
} from './client.ts'

/** {@link LndOptions}, and what invoices are to be like. */
export interface LndInvoicesOptions extends LndOptions {
  /** Puts hints for private channels into invoices: for a node without public ones. */
  readonly routeHints?: boolean
}

/** What lnd can do with invoices: everything. */
export type LndInvoices = InvoiceBackend &
  Required<
    Pick<
      InvoiceBackend,
      | 'settlements'
      | 'invoiceDetails'
      | 'cancelInvoice'
      | 'createHoldInvoice'
      | 'settleHoldInvoice'
      | 'receivableMsat'
    >
  >

const NEEDS = {
  lacks: 'invoices:write',
  bake: 'invoices:read invoices:write (or use the invoice.macaroon that lnd has made)',
}

/**
 * Invoices of an lnd node. Its network and what its macaroon allows are found out first; an `invoice.macaroon` is
 * enough, and more should not be given.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` for a node that cannot be reached or
 * refuses the macaroon, `lightning_invalid` for one on another network.
 *
 * @example
 * const lightning = await lnd({ url: 'https://127.0.0.1:8080', macaroonFile: 'invoice.macaroon', tlsCertFile: 'tls.cert' })
 */
export async function lnd(options: LndInvoicesOptions): Promise<LndInvoices> {
  const rest = await lndClient(options)
  const network = expectNetwork(rest.who, await findNetwork(rest), options.network)
  await checkMayWrite(rest)
  const tried = await tryToPay(rest)
  const mayPay = tried.kind === 'answered' && tried.status !== 404 && !isDenied(tried)
  const warnings = mayPay ? [mayAlsoPay(rest.who, 'macaroon', "lnd's invoice.macaroon")] : []
  return new Invoices(rest, network, { ...options, warnings })
}

class Invoices implements LndInvoices {
  readonly invoiceCapabilities = lndInvoiceCapabilities
  readonly warnings: readonly string[]
  readonly network: Network
  readonly #rest: Rest
  readonly #now: () => number
  readonly #more: JsonObject
  readonly #ended = new AbortController()

  constructor(
    rest: Rest,
    network: Network,
    options: LndInvoicesOptions & { readonly warnings: readonly string[] },
  ) {
    const { now = Date.now, routeHints = false } = options
    this.warnings = options.warnings
    this.#rest = rest
    this.network = network
    this.#now = now
    this.#more = routeHints ? { private: true } : {}
  }

  async createInvoice(request: InvoiceRequest): Promise<CreatedInvoice> {
    return await this.#create('v1/invoices', request, {})
  }

  async createHoldInvoice(
    request: InvoiceRequest & { readonly paymentHash: Uint8Array },
  ): Promise<CreatedInvoice> {
    const hash = encodeBase64(request.paymentHash)
    return await this.#create('v2/invoices/hodl', request, { hash }, request.paymentHash)
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    return (await this.invoiceDetails(paymentHash)).state
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    assertOpen(this.#rest.who, this.#ended.signal)
    const answer = answerOf(this.#rest, await this.#rest.call(`v1/invoice/${encodeHex(paymentHash)}`))
    if (isNoInvoice(answer)) return { state: 'unknown' }
    if (answer.status !== 200) failCall(this.#rest, answer)
    const invoice = objectOf(answer.body)
    const [amountMsat, settledAt] = [wholeOf(invoice['amt_paid_msat']), wholeOf(invoice['settle_date'])]
    const preimage = hash32Base64(invoice['r_preimage'])
    const state = this.#stateOf(invoice) ?? failCall(this.#rest, answer)
    return detailsOf({ state, amountMsat, settledAt, preimage }, paymentHash)
  }

  #stateOf(invoice: JsonObject): InvoiceState | undefined {
    const created = wholeOf(invoice['creation_date'])
    const expiry = wholeOf(invoice['expiry'])
    const late =
      created !== undefined && expiry !== undefined && this.#now() / 1000 >= Number(created + expiry)
    switch (invoice['state']) {
      case 'SETTLED':
        return 'settled'
      case 'ACCEPTED':
        return 'accepted'
      // lnd cancels what has expired.
      case 'CANCELED':
        return late ? 'expired' : 'cancelled'
      case 'OPEN':
        return late ? 'expired' : 'open'
      default:
        return undefined
    }
  }

  async *settlements({ after, signal }: SettlementsFrom): AsyncGenerator<Settlement> {
    assertOpen(this.#rest.who, this.#ended.signal)
    if (after !== undefined && !/^\d{1,19}$/.test(after))
      throw new RangeError("after: expected the cursor of one of lnd's settlements")
    const query = after === undefined || after === '0' ? '' : `?settle_index=${after}`
    const either = AbortSignal.any([signal, this.#ended.signal])
    for await (const line of this.#rest.lines(`v1/invoices/subscribe${query}`, { signal: either })) {
      const invoice = objectOf(objectOf(line)['result'])
      // New invoices come down the same stream.
      if (invoice['state'] !== 'SETTLED') continue
      const paymentHash = hash32Base64(invoice['r_hash'])
      const amountMsat = wholeOf(invoice['amt_paid_msat'])
      const index = wholeOf(invoice['settle_index'])
      if (paymentHash === undefined || amountMsat === undefined || index === undefined)
        throw new L402Error('lightning_invalid', `${this.#rest.who}: a settlement that is not understood`)
      yield { paymentHash, amountMsat, cursor: String(index) }
    }
  }

  async cancelInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    assertOpen(this.#rest.who, this.#ended.signal)
    const json = { payment_hash: encodeBase64(paymentHash) }
    answerOf(this.#rest, await this.#rest.call('v2/invoices/cancel', { method: 'POST', json }))
    return await this.lookupInvoice(paymentHash)
  }

  async settleHoldInvoice(preimage: Uint8Array): Promise<void> {
    assertOpen(this.#rest.who, this.#ended.signal)
    const json = { preimage: encodeBase64(preimage) }
    const answer = answerOf(this.#rest, await this.#rest.call('v2/invoices/settle', { method: 'POST', json }))
    if (answer.status === 200 || /already settled/.test(errorText(answer.body))) return
    // lnd's own word may not hold more than its reason; it never repeats the preimage.
    if ((await this.lookupInvoice(sha256(preimage))) !== 'settled') failCall(this.#rest, answer)
  }

  async receivableMsat(): Promise<bigint | null> {
    assertOpen(this.#rest.who, this.#ended.signal)
    const answer = answerOf(this.#rest, await this.#rest.call('v1/balance/channels'))
    // An invoice.macaroon does not allow to ask.
    if (isDenied(answer)) return null
    const balance = wholeOf(objectOf(objectOf(answer.body)['remote_balance'])['msat'])
    return answer.status === 200 && balance !== undefined ? balance : failCall(this.#rest, answer)
  }

  async ping(): Promise<void> {
    assertOpen(this.#rest.who, this.#ended.signal)
    const answer = answerOf(this.#rest, await this.#rest.call(`v1/invoice/${'00'.repeat(32)}`))
    const known = answer.status === 200 && objectOf(answer.body)['r_hash'] !== undefined
    if (!known && !isNoInvoice(answer)) failCall(this.#rest, answer)
  }

  async close(): Promise<void> {
    this.#ended.abort()
  }

  async #create(
    path: string,
    request: InvoiceRequest,
    more: JsonObject,
    paymentHash?: Uint8Array,
  ): Promise<CreatedInvoice> {
    beginInvoice(this.#rest.who, request, this.#ended.signal)
    const { amountMsat, memo, expirySeconds, signal } = request
    const terms = { value_msat: String(amountMsat), memo, expiry: String(expirySeconds), ...this.#more }
    const answer = answerOf(
      this.#rest,
      await this.#rest.call(path, { method: 'POST', json: { ...terms, ...more }, signal }),
    )
    if (isDenied(answer)) throw denied(this.#rest, answer, NEEDS)
    if (answer.status !== 200) failCall(this.#rest, answer)
    const made = objectOf(answer.body)
    const named = paymentHash ?? hash32Base64(made['r_hash'])
    if (named === undefined) failCall(this.#rest, answer)
    const { network } = this
    return checkCreated(this.#rest.who, made['payment_request'], { amountMsat, network, paymentHash: named })
  }
}

function isNoInvoice({ status, body }: RestAnswer): boolean {
  return (
    status >= 400 && /unable to locate invoice|no existing invoices|invoice not found/.test(errorText(body))
  )
}

/** An invoice-only macaroon may not ask for the network: the newest invoice tells, and the first one ever is made for it. */
async function findNetwork(rest: Rest): Promise<Network> {
  const told = await networkByInfo(rest, NEEDS)
  if (told !== undefined) return told
  const listed = answerOf(rest, await rest.call('v1/invoices?num_max_invoices=1&reversed=true'))
  if (isDenied(listed)) throw denied(rest, listed, { ...NEEDS, lacks: 'invoices:read' })
  if (listed.status !== 200) failCall(rest, listed)
  const newest = objectOf(listOf(objectOf(listed.body)['invoices'])[0])['payment_request']
  if (typeof newest === 'string' && newest !== '') return readInvoice(rest.who, newest).network
  const json = { value_msat: '1', memo: 'which network is this?', expiry: '1' }
  const made = answerOf(rest, await rest.call('v1/invoices', { method: 'POST', json }))
  if (isDenied(made)) throw denied(rest, made, NEEDS)
  if (made.status !== 200) failCall(rest, made)
  return readInvoice(rest.who, objectOf(made.body)['payment_request']).network
}

/** Cancels an invoice that nobody has: lnd looks at the macaroon first. */
async function checkMayWrite(rest: Rest): Promise<void> {
  const json = { payment_hash: encodeBase64(new Uint8Array(32)) }
  const answer = answerOf(rest, await rest.call('v2/invoices/cancel', { method: 'POST', json }))
  if (isDenied(answer)) throw denied(rest, answer, NEEDS)
}
