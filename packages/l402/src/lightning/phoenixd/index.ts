/** phoenixd, over its HTTP API. */

import { encodeBase64, encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectOk, isRefused } from '../lib/denied.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { expectNetwork, networkNamed } from '../lib/networks.ts'
import {
  answerOf,
  errorText,
  failCall,
  lookupAnswer,
  notUnderstood,
  paymentAnswer,
  type Rest,
  restClient,
} from '../lib/rest.ts'
import { mayAlsoPay, seller } from '../lib/seller.ts'
import { hash32, type JsonObject, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { phoenixdInvoiceCapabilities, phoenixdPaymentCapabilities } from './capabilities.ts'

/** How to reach phoenixd. */
export interface PhoenixdOptions {
  /** Its HTTP address, by default `http://127.0.0.1:9740`. */
  readonly url: string
  /** `http-password` of its `phoenix.conf` (to pay), or `http-password-limited-access` (to sell). A secret. */
  readonly password: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const LIMITED = { what: 'password', hint: 'expected http-password-limited-access of phoenix.conf' }
const FULL = { what: 'password', hint: 'expected http-password of phoenix.conf, as only that one pays' }

/**
 * Invoices of phoenixd, in whole satoshis. The limited password is enough, and cannot pay.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function phoenixd(options: PhoenixdOptions): Promise<InvoiceBackend> {
  const rest = client(options)
  const { now = Date.now } = options
  const network = expectNetwork(rest.who, await networkOf(rest, LIMITED), options.network)
  // An invoice that is none: it looks at the password first.
  const tried = await rest.call('payinvoice', { method: 'POST', form: { invoice: 'none' } })
  const mayPay = tried.kind === 'answered' && tried.status !== 404 && !isRefused(tried)
  return seller({
    who: rest.who,
    warnings: mayPay ? [mayAlsoPay(rest.who, 'password', 'http-password-limited-access')] : [],
    network,
    capabilities: phoenixdInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const form = {
        amountSat: String(amountMsat / 1000n),
        // It takes 128 characters.
        description: Array.from(memo).slice(0, 128).join(''),
        expirySeconds: String(expirySeconds),
      }
      const outcome = await rest.call('createinvoice', { method: 'POST', form, signal })
      const made = objectOf(expectOk(rest, answerOf(rest, outcome), LIMITED).body)
      return { invoice: made['serialized'], paymentHash: hash32(made['paymentHash']) }
    },
    async lookup(paymentHash) {
      const answer = answerOf(rest, await rest.call(`payments/incoming/${encodeHex(paymentHash)}`))
      if (answer.status === 404) return 'unknown'
      const body = objectOf(expectOk(rest, answer, LIMITED).body)
      if (typeof body['isPaid'] !== 'boolean') failCall(rest, answer)
      if (body['isPaid']) {
        const [sat, atMs] = [wholeOf(body['receivedSat']), wholeOf(body['completedAt'])]
        return {
          state: 'settled',
          amountMsat: sat === undefined ? undefined : sat * 1000n,
          settledAt: atMs === undefined ? undefined : atMs / 1000n,
          preimage: hash32(body['preimage']),
        }
      }
      if (body['isExpired'] === true) return 'expired'
      const { invoice } = body
      const late = typeof invoice === 'string' && now() / 1000 >= readInvoice(rest.who, invoice).expiresAt
      return late ? 'expired' : 'open'
    },
    ping: async () => void (await networkOf(rest, LIMITED)),
  })
}

/**
 * A phoenixd wallet. Its fees are fixed by its service (0.4 % and 4 sat), and no limit can be given.
 *
 * @throws like {@link phoenixd}.
 */
export async function phoenixdWallet(options: PhoenixdOptions): Promise<PaymentBackend> {
  const rest = client(options)
  const network = expectNetwork(rest.who, await networkOf(rest, FULL), options.network)
  await readBalance(rest)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: phoenixdPaymentCapabilities,
    lookup: (paymentHash) => lookup(rest, paymentHash),
    send: (request) => send(rest, request),
    balance: () => readBalance(rest),
    identity: async () => (await infoOf(rest, FULL))['nodeId'],
    ping: async () => void (await readBalance(rest)),
    now: options.now,
  })
}

async function send(rest: Rest, { invoice, timeoutMs, paymentHash }: PayRequest): Promise<PaymentOutcome> {
  const call = { method: 'POST', form: { invoice }, timeoutMs: timeoutMs + 30_000 } as const
  const answer = paymentAnswer(rest, await rest.call('payinvoice', call))
  if ('detail' in answer) return answer
  const body = objectOf(answer.body)
  if (answer.status === 400) return { status: 'failed', detail: textOf(errorText(body), 'refused') }
  if (answer.status !== 200) return notUnderstood(answer)
  const preimage = hash32(body['paymentPreimage'])
  const feeSat = wholeOf(body['routingFeeSat'])
  if (preimage !== undefined && feeSat !== undefined)
    return { status: 'paid', preimage, feeMsat: feeSat * 1000n }
  // A payment that has failed is told as `reason`, and so is one that was sent before and is under way: its books know.
  const reason = textOf(body['reason'])
  if (reason === '') return notUnderstood(answer)
  const known = await lookup(rest, paymentHash)
  return known.status === 'not_found' ? { status: 'failed', detail: reason } : known
}

async function lookup(rest: Rest, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const answer = lookupAnswer(await rest.call(`payments/outgoingbyhash/${encodeHex(paymentHash)}`))
  if ('detail' in answer) return answer
  if (answer.status === 404) return { status: 'not_found' }
  const body = objectOf(answer.body)
  if (answer.status !== 200 || typeof body['isPaid'] !== 'boolean') return notUnderstood(answer)
  if (!body['isPaid'])
    // Only a payment that has come to an end carries the time of it.
    return wholeOf(body['completedAt']) === undefined
      ? { status: 'pending' }
      : { status: 'failed', detail: 'the payment failed' }
  const feeMsat = wholeOf(body['fees'])
  const preimage = hash32(body['preimage'])
  if (feeMsat === undefined) return notUnderstood(answer)
  return preimage === undefined ? { status: 'paid_unproven', feeMsat } : { status: 'paid', preimage, feeMsat }
}

async function readBalance(rest: Rest): Promise<bigint> {
  const answer = answerOf(rest, await rest.call('getbalance'))
  const balanceSat = wholeOf(objectOf(expectOk(rest, answer, FULL).body)['balanceSat'])
  return balanceSat === undefined ? failCall(rest, answer) : balanceSat * 1000n
}

async function networkOf(rest: Rest, credential: typeof FULL): Promise<Network> {
  return networkNamed(rest.who, (await infoOf(rest, credential))['chain'])
}

async function infoOf(rest: Rest, credential: typeof FULL): Promise<JsonObject> {
  const answer = answerOf(rest, await rest.call('getinfo'))
  return objectOf(expectOk(rest, answer, credential).body)
}

function client({ url, password, fetch }: PhoenixdOptions): Rest {
  if (password === '') throw new TypeError('phoenixd: password: expected the one of phoenix.conf')
  const headers = { authorization: `Basic ${encodeBase64(encodeUtf8(`:${password}`))}` }
  return restClient({ name: 'phoenixd', url, headers, fetch })
}
