/** Strike, over its API: receive requests for sellers, payment quotes for buyers, both in bitcoin. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectOk } from '../lib/denied.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { networkOfHost } from '../lib/networks.ts'
import { answerOf, failCall, type Rest, restClient } from '../lib/rest.ts'
import { seller } from '../lib/seller.ts'
import { hash32, listOf, objectOf } from '../lib/values.ts'
import { btcOf, msatOf } from './amounts.ts'
import { strikeInvoiceCapabilities, strikePaymentCapabilities } from './capabilities.ts'
import { payments } from './payments.ts'

/** Which account. */
export interface StrikeOptions {
  /** An API key. A secret. */
  readonly key: string
  /** Default `https://api.strike.me`. */
  readonly url?: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const URL_OF_STRIKE = 'https://api.strike.me'
const NETWORKS: Readonly<Record<string, Network>> = { 'api.strike.me': 'mainnet' }
const SELLS = {
  what: 'API key',
  hint: 'it needs the scopes partner.receive-request.create and partner.receive-request.read',
}
const PAYS = {
  what: 'API key',
  hint: 'it needs the scopes partner.payment-quote.lightning.create, partner.payment-quote.execute, partner.payment.read and partner.balances.read',
}

/**
 * Invoices of a Strike account, in whole satoshis. What comes in stays bitcoin.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function strike(options: StrikeOptions): Promise<InvoiceBackend> {
  const { rest, network } = open(options)
  const { now = Date.now } = options
  const requests = async (paymentHash: Uint8Array): Promise<readonly unknown[]> =>
    await itemsOf(rest, `v1/receive-requests?${byHash(paymentHash)}`)
  await requests(new Uint8Array(32))
  return seller({
    who: rest.who,
    network,
    capabilities: strikeInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const amount = { currency: 'BTC', amount: btcOf(amountMsat) }
      const json = {
        bolt11: { amount, description: memo, expiryInSeconds: expirySeconds },
        targetCurrency: 'BTC',
      }
      const call = { method: 'POST', json, signal } as const
      const answer = answerOf(rest, await rest.call('v1/receive-requests', call))
      const { bolt11 } = objectOf(expectOk(rest, answer, SELLS).body)
      const { invoice, paymentHash } = objectOf(bolt11)
      return { invoice, paymentHash: hash32(paymentHash) }
    },
    async lookup(paymentHash) {
      const received = await itemsOf(rest, `v1/receive-requests/receives?${byHash(paymentHash)}`)
      const done = received.map(objectOf).find(({ state }) => state === 'COMPLETED')
      if (done !== undefined) {
        const at = Date.parse(String(done['completed']))
        const settledAt = Number.isNaN(at) ? undefined : BigInt(Math.floor(at / 1000))
        return { state: 'settled', amountMsat: msatOf(done['amountReceived']), settledAt }
      }
      const [request] = await requests(paymentHash)
      if (request === undefined) return 'unknown'
      const { invoice } = objectOf(objectOf(request)['bolt11'])
      return now() / 1000 >= readInvoice(rest.who, invoice).expiresAt ? 'expired' : 'open'
    },
    ping: async () => void (await requests(new Uint8Array(32))),
  })
}

/**
 * A wallet on the bitcoin of a Strike account. The fee is known before anything is paid, and one above the limit is not
 * paid. A payment whose answer was lost stays `unknown`: Strike finds none by its hash.
 *
 * @throws like {@link strike}.
 */
export async function strikeWallet(options: StrikeOptions): Promise<PaymentBackend> {
  const { rest, network } = open(options)
  await balanceOf(rest)
  const { send, lookup } = payments(rest, options.now)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: strikePaymentCapabilities,
    lookup,
    send,
    balance: () => balanceOf(rest),
    ping: async () => void (await balanceOf(rest)),
    now: options.now,
  })
}

const byHash = (paymentHash: Uint8Array): string => `%24paymentHash=${encodeHex(paymentHash)}`

async function itemsOf(rest: Rest, path: string): Promise<readonly unknown[]> {
  const answer = answerOf(rest, await rest.call(path))
  const { items } = objectOf(expectOk(rest, answer, SELLS).body)
  return Array.isArray(items) ? listOf(items) : failCall(rest, answer)
}

async function balanceOf(rest: Rest): Promise<bigint> {
  const answer = answerOf(rest, await rest.call('v1/balances'))
  const { body } = expectOk(rest, answer, PAYS)
  if (!Array.isArray(body)) return failCall(rest, answer)
  const bitcoin = body.map(objectOf).find(({ currency }) => currency === 'BTC')
  if (bitcoin === undefined)
    throw new L402Error('lightning_unavailable', `${rest.who}: the account holds no bitcoin to pay with`)
  return msatOf({ currency: 'BTC', amount: bitcoin['available'] }) ?? failCall(rest, answer)
}

function open({ key, url = URL_OF_STRIKE, fetch, network }: StrikeOptions) {
  if (!/^[\x21-\x7e]{8,256}$/.test(key)) throw new TypeError('strike: key: expected an API key')
  const rest = restClient({ name: 'Strike', url, headers: { authorization: `Bearer ${key}` }, fetch })
  return { rest, network: networkOfHost(rest.who, { url, known: NETWORKS, expected: network }) }
}
