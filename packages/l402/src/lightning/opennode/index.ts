/** OpenNode: charges of a payment processor. It sells only: its withdrawals give no preimage back. */

import { encodeHex } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend } from '../backend.ts'
import { Book } from '../lib/book.ts'
import { expectOk } from '../lib/denied.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { networkOfHost } from '../lib/networks.ts'
import { answerOf, failCall, restClient } from '../lib/rest.ts'
import { seller } from '../lib/seller.ts'
import { objectOf } from '../lib/values.ts'
import { opennodeInvoiceCapabilities } from './capabilities.ts'

/** Which account. */
export interface OpennodeOptions {
  /** An API key that can make invoices. A secret. */
  readonly key: string
  /** Default `https://api.opennode.com`; `https://dev-api.opennode.com` is on testnet. */
  readonly url?: string
  /** The network it must be on. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const URL_OF_OPENNODE = 'https://api.opennode.com'
const NETWORKS: Readonly<Record<string, Network>> = {
  'api.opennode.com': 'mainnet',
  'dev-api.opennode.com': 'testnet',
}
const KEY = { what: 'API key', hint: 'expected a key with the permission "Invoices" for this environment' }
const LEAST_MINUTES = 10
const MOST_MINUTES = 1440

/**
 * Invoices of an OpenNode account, in whole satoshis and of ten minutes at least. It knows a charge by an id of its
 * own, which only the process that had it made knows: after a restart an invoice is `unknown`.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function opennode(options: OpennodeOptions): Promise<InvoiceBackend> {
  const { key, url = URL_OF_OPENNODE, now = Date.now, fetch } = options
  if (!/^[\x21-\x7e]{8,256}$/.test(key)) throw new TypeError('opennode: key: expected an API key')
  const rest = restClient({ name: 'OpenNode', url, headers: { authorization: key }, fetch })
  const network = networkOfHost(rest.who, { url, known: NETWORKS, expected: options.network })
  const charges = new Book<{ readonly expiresAt: number; readonly id: string }>()
  // A charge that there is not: its answer shows that the key is known, and changes nothing.
  const ping = async (): Promise<void> => {
    const answer = answerOf(rest, await rest.call('v1/charge/00000000-0000-4000-8000-000000000000'))
    if (answer.status === 401 || answer.status === 403) expectOk(rest, answer, KEY)
    if (answer.status >= 500 || answer.body === undefined) failCall(rest, answer)
  }
  await ping()
  return seller({
    who: rest.who,
    network,
    capabilities: opennodeInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const ttl = Math.min(MOST_MINUTES, Math.max(LEAST_MINUTES, Math.ceil(expirySeconds / 60)))
      const json = { amount: Number(amountMsat / 1000n), description: memo, ttl }
      const answer = answerOf(rest, await rest.call('v1/charges', { method: 'POST', json, signal }))
      const { id, lightning_invoice } = objectOf(objectOf(expectOk(rest, answer, KEY).body)['data'])
      const invoice = objectOf(lightning_invoice)['payreq']
      if (typeof id !== 'string') return failCall(rest, answer)
      const { paymentHash, expiresAt } = readInvoice(rest.who, invoice)
      charges.set(encodeHex(paymentHash), { expiresAt, id }, Math.floor(now() / 1000))
      return { invoice, paymentHash }
    },
    async lookup(paymentHash) {
      const charge = charges.get(encodeHex(paymentHash))
      if (charge === undefined) return 'unknown'
      const answer = answerOf(rest, await rest.call(`v1/charge/${encodeURIComponent(charge.id)}`))
      if (answer.status === 404) return 'unknown'
      const data = objectOf(objectOf(expectOk(rest, answer, KEY).body)['data'])
      switch (data['status']) {
        case 'paid':
          return 'settled'
        case 'expired':
          return 'expired'
        case 'unpaid':
        // Money on its way over the chain is not there yet.
        case 'processing':
        case 'underpaid':
          return now() / 1000 >= charge.expiresAt ? 'expired' : 'open'
        case 'refunded':
          return 'cancelled'
        default:
          return failCall(rest, answer)
      }
    },
    ping,
  })
}
