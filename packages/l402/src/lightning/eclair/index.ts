/** Eclair, over its HTTP API. Its one password allows everything, so it belongs on a network of its own. */

import { encodeBase64, encodeHex, encodeUtf8 } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectOk } from '../lib/denied.ts'
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
import { seller } from '../lib/seller.ts'
import { hash32, type JsonObject, listOf, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { eclairInvoiceCapabilities, eclairPaymentCapabilities } from './capabilities.ts'

/** How to reach an Eclair node. */
export interface EclairOptions {
  /** Its API, by default `http://127.0.0.1:8080`. */
  readonly url: string
  /** `eclair.api.password`. A secret. */
  readonly password: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** {@link EclairOptions}, and what invoices are to be like. */
export interface EclairInvoicesOptions extends EclairOptions {
  /** Ids of private channels that invoices give hints for, each 64 hex digits; for Eclair 0.11 or newer. */
  readonly routeHints?: readonly string[]
}

const PASSWORD = { what: 'password', hint: 'expected eclair.api.password of eclair.conf' }

/**
 * Invoices of an Eclair node.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function eclair(options: EclairInvoicesOptions): Promise<InvoiceBackend> {
  const rest = client(options)
  const hints = hintsOf(options.routeHints)
  const network = expectNetwork(rest.who, await networkOf(rest), options.network)
  return seller({
    who: rest.who,
    network,
    capabilities: eclairInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const terms = { amountMsat: String(amountMsat), description: memo, expireIn: String(expirySeconds) }
      const form = { ...terms, ...hints }
      const outcome = await rest.call('createinvoice', { method: 'POST', form, signal })
      const made = objectOf(expectOk(rest, answerOf(rest, outcome), PASSWORD).body)
      return { invoice: made['serialized'], paymentHash: hash32(made['paymentHash']) }
    },
    async lookup(paymentHash) {
      const form = { paymentHash: encodeHex(paymentHash) }
      const answer = answerOf(rest, await rest.call('getreceivedinfo', { method: 'POST', form }))
      if (answer.status === 404) return 'unknown'
      const body = objectOf(expectOk(rest, answer, PASSWORD).body)
      const status = objectOf(body['status'])
      switch (status['type']) {
        case 'received': {
          const settledAt = wholeOf(objectOf(status['receivedAt'])['unix'])
          return { state: 'settled', amountMsat: wholeOf(status['amount']), settledAt }
        }
        case 'expired':
          return 'expired'
        case 'pending':
          return 'open'
        default:
          return failCall(rest, answer)
      }
    },
    ping: async () => void (await networkOf(rest)),
    receivable: () => usable(rest, 'canReceive'),
  })
}

/**
 * A wallet on an Eclair node. Its fee limit counts whole satoshis, so a part of one is not used.
 *
 * @throws like {@link eclair}.
 */
export async function eclairWallet(options: EclairOptions): Promise<PaymentBackend> {
  const rest = client(options)
  const network = expectNetwork(rest.who, await networkOf(rest), options.network)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: eclairPaymentCapabilities,
    lookup: (paymentHash) => lookup(rest, paymentHash),
    send: (request) => send(rest, request),
    balance: () => usable(rest, 'canSend'),
    identity: async () => (await infoOf(rest))['nodeId'],
    ping: async () => void (await networkOf(rest)),
    now: options.now,
  })
}

/** Eclair gives hints for the channels that it is told, and for no others. */
function hintsOf(ids: readonly string[] = []): { readonly privateChannelIds?: string } {
  if (ids.some((id) => hash32(id) === undefined))
    throw new TypeError('eclair: routeHints: expected ids of private channels, each 64 hex digits')
  return ids.length === 0 ? {} : { privateChannelIds: ids.join(',') }
}

/** What can go one way over the channels that work, in millisatoshi. */
async function usable(rest: Rest, way: 'canSend' | 'canReceive'): Promise<bigint> {
  const answer = answerOf(rest, await rest.call('usablebalances', { method: 'POST', form: {} }))
  const { body } = expectOk(rest, answer, PASSWORD)
  if (!Array.isArray(body)) return failCall(rest, answer)
  return body.reduce<bigint>((sum, one) => sum + (wholeOf(objectOf(one)[way]) ?? 0n), 0n)
}

async function send(rest: Rest, request: PayRequest): Promise<PaymentOutcome> {
  const { invoice, maxFeeMsat, timeoutMs, paymentHash } = request
  // The flat limit counts where the percentage is nothing.
  const form = { invoice, maxFeeFlatSat: String(maxFeeMsat / 1000n), maxFeePct: '0', blocking: 'true' }
  const call = { method: 'POST', form, timeoutMs: timeoutMs + 30_000 } as const
  const answer = paymentAnswer(rest, await rest.call('payinvoice', call))
  if ('detail' in answer) return answer
  const body = objectOf(answer.body)
  if (answer.status === 400) return { status: 'failed', detail: textOf(errorText(body), 'refused') }
  if (answer.status === 200 && body['type'] === 'payment-sent') {
    const preimage = hash32(body['paymentPreimage'])
    const feeMsat = listOf(body['parts']).reduce<bigint>(
      (sum, one) => sum + (wholeOf(objectOf(one)['feesPaid']) ?? 0n),
      0n,
    )
    if (preimage !== undefined) return { status: 'paid', preimage, feeMsat }
  }
  // "payment-failed" may come while a part is still out: its books know.
  const known = await lookup(rest, paymentHash)
  return known.status === 'not_found' ? notUnderstood(answer) : known
}

async function lookup(rest: Rest, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const form = { paymentHash: encodeHex(paymentHash) }
  const answer = lookupAnswer(await rest.call('getsentinfo', { method: 'POST', form }))
  if ('detail' in answer) return answer
  if (answer.status === 404) return { status: 'not_found' }
  if (answer.status !== 200 || !Array.isArray(answer.body)) return notUnderstood(answer)
  const parts = answer.body.map(objectOf)
  if (parts.length === 0) return { status: 'not_found' }
  const statuses = parts.map((part) => objectOf(part['status']))
  const sent = statuses.filter(({ type }) => type === 'sent')
  if (sent.length > 0) return paidOf(sent) ?? notUnderstood(answer)
  if (statuses.some(({ type }) => type === 'pending')) return { status: 'pending' }
  const failed = statuses.every(({ type }) => type === 'failed')
  return failed ? { status: 'failed', detail: 'the payment failed' } : notUnderstood(answer)
}

function paidOf(sent: readonly JsonObject[]): PaymentOutcome | undefined {
  const preimage = hash32(sent[0]?.['paymentPreimage'])
  const feeMsat = sent.reduce((sum, { feesPaid }) => sum + (wholeOf(feesPaid) ?? 0n), 0n)
  return preimage === undefined ? undefined : { status: 'paid', preimage, feeMsat }
}

async function networkOf(rest: Rest): Promise<Network> {
  return networkNamed(rest.who, (await infoOf(rest))['network'])
}

async function infoOf(rest: Rest): Promise<JsonObject> {
  const answer = answerOf(rest, await rest.call('getinfo', { method: 'POST', form: {} }))
  return objectOf(expectOk(rest, answer, PASSWORD).body)
}

function client({ url, password, fetch }: EclairOptions): Rest {
  if (password === '') throw new TypeError('eclair: password: expected eclair.api.password')
  const headers = { authorization: `Basic ${encodeBase64(encodeUtf8(`:${password}`))}` }
  return restClient({ name: 'Eclair', url, headers, fetch })
}
