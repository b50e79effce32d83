/** Any wallet that speaks Nostr Wallet Connect: Alby Hub, and many others. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { mayAlsoPay, seller } from '../lib/seller.ts'
import { hash32, type JsonObject, objectOf, wholeOf } from '../lib/values.ts'
import { nwcInvoiceCapabilities, nwcPaymentCapabilities } from './capabilities.ts'
import {
  asked,
  faultText,
  isCertainlyUnpaid,
  isUnsent,
  type NwcOptions,
  type NwcWallet,
  openNwc,
  walletCode,
} from './client.ts'

export type { NwcClient, NwcOptions } from './client.ts'

/**
 * Invoices of a wallet over NWC. The connection needs `make_invoice` and `lookup_invoice`, and should have no more.
 *
 * @throws TypeError for a connection string that is none, `lightning_unavailable` or `lightning_invalid`.
 */
export async function nwc(options: NwcOptions): Promise<InvoiceBackend> {
  const wallet = await openNwc(options, ['make_invoice', 'lookup_invoice'])
  const { who, client, network } = wallet
  const { now = Date.now } = options
  const mayPay = wallet.methods.includes('pay_invoice')
  return seller({
    who,
    network,
    warnings: mayPay ? [mayAlsoPay(who, 'connection', 'one that makes and looks up invoices')] : [],
    capabilities: nwcInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds }) {
      const terms = { amount: Number(amountMsat), description: memo, expiry: expirySeconds }
      const made = objectOf(await asked(who, client.makeInvoice(terms)))
      return { invoice: made['invoice'], paymentHash: hash32(made['payment_hash']) }
    },
    async lookup(paymentHash) {
      const found = await find(wallet, paymentHash)
      if (found === undefined || found['type'] === 'outgoing') return 'unknown'
      const settledAt = wholeOf(found['settled_at'])
      const amountMsat = wholeOf(found['amount'])
      if (found['state'] === 'settled' || settledAt)
        return { state: 'settled', amountMsat, settledAt, preimage: hash32(found['preimage']) }
      if (found['state'] === 'accepted') return 'accepted'
      const expiresAt = wholeOf(found['expires_at'])
      if (found['state'] === 'failed') return 'expired'
      return expiresAt !== undefined && now() / 1000 >= Number(expiresAt) ? 'expired' : 'open'
    },
    ping: async () => void (await asked(who, client.getInfo())),
    close: () => client.close(),
  })
}

/**
 * A wallet over NWC. The connection needs `pay_invoice` and `lookup_invoice`; a budget set in the wallet is a second
 * guard. No fee limit can be given.
 *
 * @throws like {@link nwc}.
 */
export async function nwcWallet(options: NwcOptions): Promise<PaymentBackend> {
  const wallet = await openNwc(options, ['pay_invoice', 'lookup_invoice'])
  const { who, client, network } = wallet
  return buyerWallet({
    who,
    network,
    capabilities: nwcPaymentCapabilities,
    send: (request) => send(wallet, request),
    lookup: (paymentHash) => lookup(wallet, paymentHash),
    async balance() {
      try {
        return wholeOf(objectOf(await client.getBalance())['balance']) ?? null
      } catch (error) {
        // A connection need not allow to ask.
        if (walletCode(error) !== undefined) return null
        throw new L402Error('lightning_unavailable', `${who}: ${faultText(error)}`)
      }
    },
    ping: async () => void (await asked(who, client.getInfo())),
    close: () => client.close(),
    // The wallet's key of this connection: another connection may see other payments.
    place: new URL(options.connection).host,
    now: options.now,
  })
}

async function send(wallet: NwcWallet, { invoice, paymentHash }: PayRequest): Promise<PaymentOutcome> {
  const { who, client } = wallet
  try {
    const paid = objectOf(await client.payInvoice({ invoice }))
    const preimage = hash32(paid['preimage'])
    const feeMsat = wholeOf(paid['fees_paid'])
    if (preimage !== undefined && feeMsat !== undefined) return { status: 'paid', preimage, feeMsat }
    const known = await lookup(wallet, paymentHash)
    if (known.status === 'paid' || preimage === undefined) return asSent(known)
    return { status: 'paid', preimage, feeMsat: 0n }
  } catch (error) {
    if (isUnsent(error)) throw new L402Error('lightning_unavailable', `${who}: ${faultText(error)}`)
    if (isCertainlyUnpaid(error)) return { status: 'failed', detail: faultText(error) }
    // It may stand for a payment that takes its time: the wallet's books know.
    if (walletCode(error) === 'PAYMENT_FAILED') {
      const known = await lookup(wallet, paymentHash)
      return known.status === 'not_found' ? { status: 'failed', detail: faultText(error) } : known
    }
    // A reply that is late or not understood says nothing.
    return asSent(await lookup(wallet, paymentHash))
  }
}

/** It was sent, so not being found yet proves nothing. */
function asSent(outcome: PaymentOutcome): PaymentOutcome {
  return outcome.status === 'not_found' || outcome.status === 'failed'
    ? { status: 'unknown', detail: 'the wallet does not say what became of the payment' }
    : outcome
}

async function lookup(wallet: NwcWallet, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  try {
    const found = await find(wallet, paymentHash)
    if (found === undefined) return { status: 'not_found' }
    return found['type'] === 'incoming' ? ofOwnInvoice(found) : paymentOf(found)
  } catch (error) {
    return { status: 'unknown', detail: error instanceof L402Error ? error.message : 'the look-up failed' }
  }
}

/**
 * A payment to the wallet itself has two halves under one hash, and this is the other one: once money has come, it may be
 * the payment's, which is then not to be taken for one that was never sent (rule C3).
 */
function ofOwnInvoice(found: JsonObject): PaymentOutcome {
  if (found['state'] === 'accepted') return { status: 'pending' }
  const half = paymentOf(found)
  // Fees are the sender's, and there are none within one wallet.
  if (half.status === 'paid' || half.status === 'paid_unproven') return { ...half, feeMsat: 0n }
  return { status: 'not_found' }
}

function paymentOf(found: JsonObject): PaymentOutcome {
  const preimage = hash32(found['preimage'])
  const settled = found['state'] === 'settled' || (wholeOf(found['settled_at']) ?? 0n) > 0n
  if (settled) {
    const feeMsat = wholeOf(found['fees_paid']) ?? 0n
    return preimage === undefined
      ? { status: 'paid_unproven', feeMsat }
      : { status: 'paid', preimage, feeMsat }
  }
  if (found['state'] === 'failed') return { status: 'failed', detail: 'the payment failed' }
  if (found['state'] === 'pending') return { status: 'pending' }
  return { status: 'unknown', detail: 'the wallet does not say how the payment stands' }
}

async function find({ who, client }: NwcWallet, paymentHash: Uint8Array): Promise<JsonObject | undefined> {
  const call = client.lookupInvoice({ payment_hash: encodeHex(paymentHash) })
  const found = await asked(
    who,
    call.catch((error: unknown) => {
      if (walletCode(error) === 'NOT_FOUND') return undefined
      throw error
    }),
  )
  return found === undefined ? undefined : objectOf(found)
}
