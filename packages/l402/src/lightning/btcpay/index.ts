/** The Lightning node of a BTCPay Server store, over the Greenfield API. */

import { encodeHex } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { Book } from '../lib/book.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectOk } from '../lib/denied.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { expectNetwork } from '../lib/networks.ts'
import {
  answerOf,
  errorText,
  failCall,
  lookupAnswer,
  notUnderstood,
  paymentAnswer,
  type Rest,
  type RestAnswer,
  restClient,
} from '../lib/rest.ts'
import { mayAlsoPay, seller } from '../lib/seller.ts'
import { hash32, listOf, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { btcpayInvoiceCapabilities, btcpayPaymentCapabilities } from './capabilities.ts'

/** How to reach the node of a store. */
export interface BtcpayOptions {
  /** The server, e.g. `https://btcpay.example.com`. */
  readonly url: string
  /** The store's id. */
  readonly store: string
  /** An API key of this store. A secret. */
  readonly key: string
  /** The network it must be on; left out: whatever its invoices are for. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** {@link BtcpayOptions}, and what invoices are to be like. */
export interface BtcpayInvoicesOptions extends BtcpayOptions {
  /** Puts hints for private channels into invoices, where the node behind the server can. */
  readonly routeHints?: boolean
}

const SELLS = {
  what: 'API key',
  hint: 'it needs btcpay.store.cancreatelightninginvoice and btcpay.store.canviewlightninginvoice for the store',
}
const PAYS = { what: 'API key', hint: 'it needs btcpay.store.canuselightningnode for the store' }

/**
 * Invoices of a store's Lightning node. Give it a key that can make and view Lightning invoices, and nothing else.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function btcpay(options: BtcpayInvoicesOptions): Promise<InvoiceBackend> {
  const rest = client(options)
  const { now = Date.now } = options
  const network = expectNetwork(rest.who, await findNetwork(rest, SELLS), options.network)
  // Shown only to keys that may use the node, which is to pay as well.
  const tried = await rest.call('balance')
  const mayPay = tried.kind === 'answered' && tried.status === 200
  // Most nodes call an invoice by its payment hash, and some by another name.
  const ids = new Book<{ readonly expiresAt: number; readonly id: string }>()
  return seller({
    who: rest.who,
    network,
    warnings: mayPay ? [mayAlsoPay(rest.who, 'API key', 'one that makes and views Lightning invoices')] : [],
    capabilities: btcpayInvoiceCapabilities,
    async create(request) {
      const made = await createInvoice(rest, { ...request, routeHints: options.routeHints === true }, SELLS)
      const { paymentHash, expiresAt } = readInvoice(rest.who, made['BOLT11'])
      const key = encodeHex(paymentHash)
      const { id } = made
      if (typeof id === 'string' && id !== key) ids.set(key, { expiresAt, id }, Math.floor(now() / 1000))
      return { invoice: made['BOLT11'], paymentHash }
    },
    async lookup(paymentHash) {
      const key = encodeHex(paymentHash)
      const id = encodeURIComponent(ids.get(key)?.id ?? key)
      const answer = answerOf(rest, await rest.call(`invoices/${id}`))
      if (answer.status === 404) return 'unknown'
      const body = objectOf(expectOk(rest, answer, SELLS).body)
      switch (body['status']) {
        case 'Paid':
          return {
            state: 'settled',
            amountMsat: wholeOf(body['amountReceived']),
            settledAt: wholeOf(body['paidAt']),
          }
        case 'Expired':
          return 'expired'
        case 'Unpaid':
          return now() / 1000 >= Number(wholeOf(body['expiresAt']) ?? Infinity) ? 'expired' : 'open'
        default:
          return failCall(rest, answer)
      }
    },
    ping: async () => void (await listInvoices(rest, SELLS)),
  })
}

/**
 * A wallet on a store's Lightning node. The fee limit is passed on in whole satoshis; whether it is held depends on
 * the node behind the server.
 *
 * @throws like {@link btcpay}.
 */
export async function btcpayWallet(options: BtcpayOptions): Promise<PaymentBackend> {
  const rest = client(options)
  await balanceOf(rest)
  const network = expectNetwork(rest.who, await findNetwork(rest, PAYS), options.network)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: btcpayPaymentCapabilities,
    lookup: (paymentHash) => lookup(rest, paymentHash),
    send: (request) => send(rest, request),
    balance: () => balanceOf(rest),
    ping: async () => void (await balanceOf(rest)),
    now: options.now,
  })
}

async function send(rest: Rest, request: PayRequest): Promise<PaymentOutcome> {
  const { invoice, maxFeeMsat, timeoutMs, paymentHash } = request
  const sendTimeout = Math.max(1, Math.floor(timeoutMs / 1000))
  const json = { BOLT11: invoice, maxFeeFlat: String(maxFeeMsat / 1000n), sendTimeout }
  const call = { method: 'POST', json, timeoutMs: timeoutMs + 30_000 } as const
  const answer = paymentAnswer(rest, await rest.call('invoices/pay', call))
  if ('detail' in answer) return answer
  const told = answer.status === 200 ? paymentOf(answer) : notUnderstood(answer)
  if (told.status === 'paid') return told
  // An error may stand for a payment that is still out: its books know.
  const known = await lookup(rest, paymentHash)
  if (known.status !== 'not_found') return known
  const { code } = objectOf(answer.body)
  const unsent =
    answer.status === 422 ||
    code === 'could-not-find-route' ||
    code === 'invalid-hash' ||
    code === 'invalid-invoice'
  return unsent
    ? { status: 'failed', detail: textOf(errorText(answer.body), 'refused') }
    : notUnderstood(answer)
}

async function lookup(rest: Rest, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const answer = lookupAnswer(await rest.call(`payments/${encodeHex(paymentHash)}`))
  if ('detail' in answer) return answer
  if (answer.status === 404 && objectOf(answer.body)['code'] === 'payment-not-found')
    return { status: 'not_found' }
  return answer.status === 200 ? paymentOf(answer) : notUnderstood(answer)
}

function paymentOf(answer: RestAnswer): PaymentOutcome {
  const body = objectOf(answer.body)
  switch (body['status']) {
    case 'Complete': {
      const feeMsat = wholeOf(body['feeAmount'])
      const preimage = hash32(body['preimage'])
      if (feeMsat === undefined) return notUnderstood(answer)
      return preimage === undefined
        ? { status: 'paid_unproven', feeMsat }
        : { status: 'paid', preimage, feeMsat }
    }
    case 'Pending':
      return { status: 'pending' }
    case 'Failed':
      return { status: 'failed', detail: 'the payment failed' }
    default:
      return notUnderstood(answer)
  }
}

/** What can be sent over channels, in millisatoshi. */
async function balanceOf(rest: Rest): Promise<bigint | null> {
  const answer = answerOf(rest, await rest.call('balance'))
  const { offchain } = objectOf(expectOk(rest, answer, PAYS).body)
  return wholeOf(objectOf(offchain)['local']) ?? null
}

async function listInvoices(rest: Rest, key: typeof SELLS): Promise<readonly unknown[]> {
  const answer = answerOf(rest, await rest.call('invoices?pendingOnly=true'))
  const { body } = expectOk(rest, answer, key)
  return Array.isArray(body) ? listOf(body) : failCall(rest, answer)
}

async function createInvoice(
  rest: Rest,
  terms: {
    readonly amountMsat: bigint
    readonly memo: string
    readonly expirySeconds: number
    readonly signal?: AbortSignal
    readonly routeHints?: boolean
  },
  key: typeof SELLS,
) {
  const { amountMsat, memo, expirySeconds, signal, routeHints } = terms
  const json = {
    amount: String(amountMsat),
    description: memo,
    expiry: expirySeconds,
    ...(routeHints ? { privateRouteHints: true } : {}),
  }
  const answer = answerOf(rest, await rest.call('invoices', { method: 'POST', json, signal }))
  return objectOf(expectOk(rest, answer, key).body)
}

/** An open invoice tells the network; where there is none, one of a satoshi is made for it. */
async function findNetwork(rest: Rest, key: typeof SELLS): Promise<Network> {
  const open = objectOf((await listInvoices(rest, key))[0])['BOLT11']
  if (typeof open === 'string') return readInvoice(rest.who, open).network
  const made = await createInvoice(
    rest,
    { amountMsat: 1000n, memo: 'which network is this?', expirySeconds: 60 },
    key,
  )
  return readInvoice(rest.who, made['BOLT11']).network
}

function client({ url, store, key, fetch }: BtcpayOptions): Rest {
  if (!/^[A-Za-z0-9]{8,64}$/.test(store)) throw new TypeError('btcpay: store: expected the id of a store')
  if (!/^[\x21-\x7e]{8,256}$/.test(key)) throw new TypeError('btcpay: key: expected an API key')
  const base = `${url.replace(/\/+$/, '')}/api/v1/stores/${store}/lightning/BTC`
  return restClient({ name: 'BTCPay Server', url: base, headers: { authorization: `token ${key}` }, fetch })
}
