/** Blink, over its GraphQL API. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { notUnderstood, paymentAnswer } from '../lib/rest.ts'
import { seller } from '../lib/seller.ts'
import { hash32, listOf, objectOf, wholeOf } from '../lib/values.ts'
import { blinkInvoiceCapabilities, blinkPaymentCapabilities } from './capabilities.ts'
import { type BlinkOptions, type BlinkWallet, firstError, openBlink } from './client.ts'

export type { BlinkOptions } from './client.ts'

const SELLS = { what: 'API key', hint: 'it needs the scopes Read and Receive' }
const PAYS = { what: 'API key', hint: 'it needs the scopes Read and Write' }
const MOST_MINUTES = 1440

const CREATE = `mutation Create($input: LnInvoiceCreateInput!) {
  lnInvoiceCreate(input: $input) { errors { message } invoice { paymentRequest paymentHash } }
}`
const FIND_INVOICE = `query Invoice($walletId: WalletId!, $paymentHash: PaymentHash!) {
  me { defaultAccount { walletById(walletId: $walletId) {
    invoiceByPaymentHash(paymentHash: $paymentHash) { ... on LnInvoice { paymentStatus paymentRequest } }
  } } }
}`
const PAY = `mutation Pay($input: LnInvoicePaymentInput!) {
  lnInvoicePaymentSend(input: $input) { status errors { message } }
}`
const FIND_PAYMENT = `query Payment($walletId: WalletId!, $paymentHash: PaymentHash!) {
  me { defaultAccount { walletById(walletId: $walletId) {
    transactionsByPaymentHash(paymentHash: $paymentHash) {
      status direction settlementFee
      settlementVia { ... on SettlementViaLn { preImage } ... on SettlementViaIntraLedger { preImage } }
    }
  } } }
}`

/**
 * Invoices of a Blink wallet, in whole satoshis; they live for whole minutes, at most a day.
 *
 * @throws TypeError for settings that cannot be meant, `lightning_unavailable` or `lightning_invalid`.
 */
export async function blink(options: BlinkOptions): Promise<InvoiceBackend> {
  const wallet = await openBlink(options, SELLS)
  const { rest, network, walletId, ask } = wallet
  const { now = Date.now } = options
  return seller({
    who: rest.who,
    network,
    capabilities: blinkInvoiceCapabilities,
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const expiresIn = Math.min(MOST_MINUTES, Math.max(1, Math.ceil(expirySeconds / 60)))
      const input = { walletId, amount: Number(amountMsat / 1000n), memo, expiresIn }
      const made = objectOf((await ask(CREATE, { input }, signal))['lnInvoiceCreate'])
      const why = firstError(made)
      if (why !== undefined) throw new L402Error('lightning_unavailable', `${rest.who}: ${why}`)
      const { paymentRequest, paymentHash } = objectOf(made['invoice'])
      return { invoice: paymentRequest, paymentHash: hash32(paymentHash) }
    },
    async lookup(paymentHash) {
      const variables = { walletId, paymentHash: encodeHex(paymentHash) }
      const data = await ask(FIND_INVOICE, variables).catch((error: unknown) => {
        // It has an error for what it has never made.
        if (error instanceof L402Error && /not find|not found/i.test(error.message)) return undefined
        throw error
      })
      const found = inWallet(data ?? {})['invoiceByPaymentHash']
      if (found === undefined || found === null) return 'unknown'
      const { paymentStatus, paymentRequest } = objectOf(found)
      if (paymentStatus === 'PAID') return 'settled'
      if (paymentStatus === 'EXPIRED') return 'expired'
      if (paymentStatus !== 'PENDING')
        throw new L402Error('lightning_invalid', `${rest.who}: an answer that is not understood`)
      return now() / 1000 >= readInvoice(rest.who, paymentRequest).expiresAt ? 'expired' : 'open'
    },
    ping: async () => void (await wallet.balanceSat()),
  })
}

/**
 * A Blink wallet. Its fees are its own, and no limit can be given.
 *
 * @throws like {@link blink}.
 */
export async function blinkWallet(options: BlinkOptions): Promise<PaymentBackend> {
  const wallet = await openBlink(options, PAYS)
  const { rest, network } = wallet
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: blinkPaymentCapabilities,
    lookup: (paymentHash) => lookup(wallet, paymentHash),
    send: (request) => send(wallet, request),
    async balance() {
      const sat = wholeOf(await wallet.balanceSat())
      return sat === undefined ? null : sat * 1000n
    },
    ping: async () => void (await wallet.balanceSat()),
    identity: async () => wallet.walletId,
    now: options.now,
  })
}

async function send(wallet: BlinkWallet, request: PayRequest): Promise<PaymentOutcome> {
  const { invoice, timeoutMs, paymentHash } = request
  const input = { walletId: wallet.walletId, paymentRequest: invoice }
  const answer = paymentAnswer(wallet.rest, await wallet.post(PAY, { input }, timeoutMs + 30_000))
  if ('detail' in answer) return answer
  const body = objectOf(answer.body)
  const sent = objectOf(objectOf(body['data'])['lnInvoicePaymentSend'])
  // The preimage and the fee stand in its books, whatever the mutation says.
  const known = await lookup(wallet, paymentHash)
  if (known.status !== 'not_found') return known
  const detail = firstError(sent) ?? firstError(body)
  return sent['status'] === 'FAILURE' && detail !== undefined
    ? { status: 'failed', detail }
    : notUnderstood(answer)
}

async function lookup(wallet: BlinkWallet, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const variables = { walletId: wallet.walletId, paymentHash: encodeHex(paymentHash) }
  const outcome = await wallet.post(FIND_PAYMENT, variables)
  if (outcome.kind !== 'answered') return { status: 'unknown', detail: outcome.detail }
  const body = objectOf(outcome.body)
  const found = inWallet(objectOf(body['data']))['transactionsByPaymentHash']
  if (outcome.status !== 200 || firstError(body) !== undefined || !Array.isArray(found))
    return notUnderstood(outcome)
  // A payee on Blink itself has the same hash in its books.
  const sent = listOf(found)
    .map(objectOf)
    .filter(({ direction }) => direction === 'SEND')
  const [paid] = sent.filter(({ status }) => status === 'SUCCESS')
  if (paid !== undefined) {
    const feeSat = wholeOf(paid['settlementFee'])
    const preimage = hash32(objectOf(paid['settlementVia'])['preImage'])
    if (feeSat === undefined) return notUnderstood(outcome)
    const feeMsat = feeSat * 1000n
    return preimage === undefined
      ? { status: 'paid_unproven', feeMsat }
      : { status: 'paid', preimage, feeMsat }
  }
  if (sent.length === 0) return { status: 'not_found' }
  const failed = sent.every(({ status }) => status === 'FAILURE')
  return failed ? { status: 'failed', detail: 'the payment failed' } : { status: 'pending' }
}

function inWallet(data: Readonly<Record<string, unknown>>) {
  return objectOf(objectOf(objectOf(data['me'])['defaultAccount'])['walletById'])
}
