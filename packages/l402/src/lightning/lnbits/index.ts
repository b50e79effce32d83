/** LNbits, by the keys of one of its wallets: the invoice key sells, the admin key pays. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectOk, isRefused } from '../lib/denied.ts'
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
  type RestOutcome,
  restClient,
} from '../lib/rest.ts'
import { mayAlsoPay, seller } from '../lib/seller.ts'
import { hash32, type JsonObject, listOf, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { lnbitsInvoiceCapabilities, lnbitsPaymentCapabilities } from './capabilities.ts'

/** How to reach an LNbits wallet. */
export interface LnbitsOptions {
  /** The server, e.g. `https://lnbits.example.com`. */
  readonly url: string
  /** The wallet's invoice key (to sell) or admin key (to pay). A secret. */
  readonly key: string
  /** The network it must be on; left out: whatever its invoices are for. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const INVOICE_KEY = { what: 'key', hint: 'expected the invoice key of the wallet ("Invoice/read key")' }
const ADMIN_KEY = { what: 'key', hint: 'expected the admin key of the wallet, as only that one pays' }

/**
 * Invoices of an LNbits wallet, in whole satoshis. Give it the invoice key, which cannot pay.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function lnbits(options: LnbitsOptions): Promise<InvoiceBackend> {
  const rest = client(options)
  const { now = Date.now } = options
  await readWallet(rest, INVOICE_KEY)
  const network = expectNetwork(rest.who, await findNetwork(rest), options.network)
  const tried = await tryToPay(rest)
  const mayPay = tried.kind === 'answered' && tried.status !== 404 && !isRefused(tried)
  return seller({
    who: rest.who,
    warnings: mayPay ? [mayAlsoPay(rest.who, 'admin key', 'the invoice key of the wallet')] : [],
    network,
    capabilities: lnbitsInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const json = {
        out: false,
        unit: 'sat',
        amount: Number(amountMsat / 1000n),
        memo,
        expiry: expirySeconds,
      }
      const outcome = await rest.call('api/v1/payments', { method: 'POST', json, signal })
      const made = objectOf(expectOk(rest, answerOf(rest, outcome), INVOICE_KEY).body)
      return { invoice: made['bolt11'] ?? made['payment_request'], paymentHash: hash32(made['payment_hash']) }
    },
    async lookup(paymentHash) {
      const answer = answerOf(rest, await halfOf(rest, paymentHash, 'incoming'))
      if (answer.status === 404) return 'unknown'
      const body = objectOf(expectOk(rest, answer, INVOICE_KEY).body)
      if (typeof body['paid'] !== 'boolean') failCall(rest, answer)
      const { bolt11, amount } = objectOf(body['details'])
      if (body['paid'])
        return { state: 'settled', amountMsat: wholeOf(amount), preimage: hash32(body['preimage']) }
      const { expiresAt } = readInvoice(rest.who, bolt11)
      return now() / 1000 >= expiresAt ? 'expired' : 'open'
    },
    ping: async () => void (await readWallet(rest, INVOICE_KEY)),
  })
}

/**
 * A wallet on an LNbits server. It holds no fee limit of the caller's: the server's own counts.
 *
 * @throws like {@link lnbits}.
 */
export async function lnbitsWallet(options: LnbitsOptions): Promise<PaymentBackend> {
  const rest = client(options)
  await readWallet(rest, ADMIN_KEY)
  await checkMayPay(rest)
  const network = expectNetwork(rest.who, await findNetwork(rest), options.network)
  const lookup = (paymentHash: Uint8Array): Promise<PaymentOutcome> => findPayment(rest, paymentHash)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: lnbitsPaymentCapabilities,
    lookup,
    send: (request) => send(rest, request, lookup),
    balance: async () => wholeOf((await readWallet(rest, ADMIN_KEY))['balance']) ?? null,
    ping: async () => void (await readWallet(rest, ADMIN_KEY)),
    // Several wallets live at one address. Not every version tells their ids.
    identity: async () => (await readWallet(rest, ADMIN_KEY))['id'],
    now: options.now,
  })
}

async function send(
  rest: Rest,
  { invoice, timeoutMs, paymentHash }: PayRequest,
  lookup: (paymentHash: Uint8Array) => Promise<PaymentOutcome>,
): Promise<PaymentOutcome> {
  const call = {
    method: 'POST',
    json: { out: true, bolt11: invoice },
    timeoutMs: timeoutMs + 30_000,
  } as const
  const answer = paymentAnswer(rest, await rest.call('api/v1/payments', call))
  if ('detail' in answer) return answer
  // Its error may stand for "could not be sent" and for "cannot say": its books know.
  const known = await lookup(paymentHash)
  if (known.status !== 'not_found') return known
  // Of a payment that is not in its books its word is enough.
  const refused = answer.status >= 400 && answer.status < 500
  return refused || objectOf(answer.body)['status'] === 'failed'
    ? { status: 'failed', detail: textOf(errorText(answer.body), 'refused') }
    : notUnderstood(answer)
}

async function findPayment(rest: Rest, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const answer = lookupAnswer(await halfOf(rest, paymentHash, 'outgoing'))
  if ('detail' in answer) return answer
  if (answer.status === 404 && errorText(answer.body) !== '') return { status: 'not_found' }
  return answer.status === 200 ? paymentOf(objectOf(answer.body), answer) : notUnderstood(answer)
}

/** Which way the money of a payment goes, as the wallet sees it. */
type Half = 'incoming' | 'outgoing'

/**
 * What the books say of one hash. A wallet that pays an invoice of its own has both halves under it, and the server
 * answers with either of them: then the list of the wallet's payments has the one that is meant. Answers like a look-up,
 * 404 where there is no such half.
 */
async function halfOf(rest: Rest, paymentHash: Uint8Array, half: Half): Promise<RestOutcome> {
  const hash = encodeHex(paymentHash)
  const outcome = await rest.call(`api/v1/payments/${hash}`)
  if (outcome.kind !== 'answered' || outcome.status !== 200) return outcome
  const details = objectOf(objectOf(outcome.body)['details'])
  if (isHalf(details, half)) return outcome
  const listed = await rest.call(`api/v1/payments?payment_hash=${hash}`)
  if (listed.kind !== 'answered' || listed.status !== 200) return listed
  const found = listOf(listed.body)
    .map(objectOf)
    .find((payment) => payment['payment_hash'] === hash && isHalf(payment, half))
  if (found === undefined) return { ...listed, status: 404, body: { detail: 'Payment does not exist.' } }
  const { status, preimage } = found
  return { ...listed, body: { paid: status === 'success', status, preimage, details: found } }
}

/** What does not say its amount is taken for what was asked for. */
function isHalf({ amount }: JsonObject, half: Half): boolean {
  return typeof amount !== 'number' || (half === 'incoming' ? amount > 0 : amount < 0)
}

function paymentOf(body: JsonObject, answer: RestAnswer): PaymentOutcome {
  const details = objectOf(body['details'])
  const status = body['status'] ?? details['status']
  if (status === 'failed') return { status: 'failed', detail: 'the payment failed' }
  if (body['paid'] !== true) return status === 'pending' ? { status: 'pending' } : notUnderstood(answer)
  const fee = Number(details['fee'])
  if (!Number.isSafeInteger(fee)) return notUnderstood(answer)
  const feeMsat = BigInt(Math.abs(fee))
  const preimage = hash32(body['preimage'])
  return preimage === undefined ? { status: 'paid_unproven', feeMsat } : { status: 'paid', preimage, feeMsat }
}

function client({ url, key, fetch }: LnbitsOptions): Rest {
  if (!/^[\w-]{16,128}$/.test(key)) throw new TypeError('lnbits: key: expected the key of a wallet')
  return restClient({ name: 'LNbits', url, headers: { 'x-api-key': key }, fetch })
}

async function readWallet(rest: Rest, key: typeof ADMIN_KEY): Promise<JsonObject> {
  const answer = answerOf(rest, await rest.call('api/v1/wallet'))
  // Older servers say 404 for a key they do not know.
  const denied = answer.status === 404 ? { ...answer, status: 401 } : answer
  const body = objectOf(expectOk(rest, denied, key).body)
  return wholeOf(body['balance']) === undefined ? failCall(rest, answer) : body
}

/** Pays an invoice that is none: the server looks at the key first. */
async function tryToPay(rest: Rest): Promise<RestOutcome> {
  return await rest.call('api/v1/payments', { method: 'POST', json: { out: true, bolt11: 'none' } })
}

async function checkMayPay(rest: Rest): Promise<void> {
  const answer = answerOf(rest, await tryToPay(rest))
  if (isRefused(answer)) expectOk(rest, answer, ADMIN_KEY)
}

/** The newest payment's invoice tells the network, and the first one ever is made for it. */
async function findNetwork(rest: Rest): Promise<Network> {
  const listed = answerOf(rest, await rest.call('api/v1/payments?limit=1'))
  const newest = objectOf(listOf(listed.body)[0])['bolt11']
  if (typeof newest === 'string' && newest.startsWith('ln')) return readInvoice(rest.who, newest).network
  const json = { out: false, unit: 'sat', amount: 1, memo: 'which network is this?', expiry: 60 }
  const answer = answerOf(rest, await rest.call('api/v1/payments', { method: 'POST', json }))
  const made = objectOf(expectOk(rest, answer, INVOICE_KEY).body)
  const invoice = made['bolt11'] ?? made['payment_request']
  if (invoice === undefined) throw new L402Error('lightning_invalid', `${rest.who}: made no invoice`)
  return readInvoice(rest.who, invoice).network
}
