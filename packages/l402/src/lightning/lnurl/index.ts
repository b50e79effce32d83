/** Invoices by LNURL-pay: for sellers with a Lightning address and no node. */

import { encodeHex } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend } from '../backend.ts'
import { Book } from '../lib/book.ts'
import { checkCreated, readInvoice } from '../lib/invoice-facts.ts'
import { expectNetwork } from '../lib/networks.ts'
import { seller } from '../lib/seller.ts'
import { payRequestUrl } from './address.ts'
import { lnurlInvoiceCapabilities } from './capabilities.ts'
import { type PayTerms, payService, type ServiceInvoice } from './service.ts'

/** Whom the invoices are to pay. */
export interface LnurlOptions {
  /** `user@example.com`, `lnurl1…`, `lnurlp://…` or `https://…`; plain http only for .onion and loopback. */
  readonly address: string
  /** The network it must be on; left out: whatever its invoices are for. */
  readonly network?: Network
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const TERMS_SECONDS = 60

/**
 * Invoices of an LNURL-pay service that offers `verify` (LUD-21). The service decides how long they live, and their
 * description is its own; a memo goes along as a comment where it takes one. Where to ask for an invoice is known only
 * to the process that had it made: after a restart it is `unknown`.
 *
 * One invoice of the smallest amount is asked for at first: it shows the network, and that `verify` is offered.
 *
 * @throws TypeError for an address that is none, `lightning_unavailable` or `lightning_invalid`.
 */
export async function lnurl(options: LnurlOptions): Promise<InvoiceBackend> {
  const { now = Date.now } = options
  const service = payService(payRequestUrl(options.address), options.fetch)
  const { who } = service
  const nowSeconds = (): number => Math.floor(now() / 1000)
  const made = new Book<ServiceInvoice & { readonly expiresAt: number }>()
  let terms: PayTerms = await service.terms()
  let readAt = nowSeconds()
  const first = await service.invoice(terms, { amountMsat: firstAmount(terms), memo: '' })
  const network = expectNetwork(who, readInvoice(who, first.invoice).network, options.network)

  return seller({
    who,
    network,
    capabilities: {
      ...lnurlInvoiceCapabilities,
      amounts: { leastMsat: terms.leastMsat, mostMsat: terms.mostMsat },
    },
    async create({ amountMsat, memo, signal }) {
      if (nowSeconds() - readAt >= TERMS_SECONDS) {
        terms = await service.terms()
        readAt = nowSeconds()
      }
      const answer = await service.invoice(terms, { amountMsat, memo, signal })
      const { paymentHash, expiresAt } = checkCreated(who, answer.invoice, { amountMsat, network })
      made.set(encodeHex(paymentHash), { ...answer, expiresAt }, nowSeconds())
      return { invoice: answer.invoice, paymentHash }
    },
    async lookup(paymentHash) {
      const known = made.get(encodeHex(paymentHash))
      if (known === undefined) return 'unknown'
      return await service.state(known, { paymentHash, expired: nowSeconds() >= known.expiresAt })
    },
    async ping() {
      terms = await service.terms()
      readAt = nowSeconds()
    },
  })
}

function firstAmount({ leastMsat, mostMsat }: PayTerms): bigint {
  const wholeSat = ((leastMsat + 999n) / 1000n) * 1000n
  return wholeSat <= mostMsat ? wholeSat : leastMsat
}
