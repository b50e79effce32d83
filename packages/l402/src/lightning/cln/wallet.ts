/** A wallet on a Core Lightning node. */

import { encodeHex } from '../../core/bytes.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectNetwork } from '../lib/networks.ts'
import { errorText, lookupAnswer, notUnderstood, paymentAnswer } from '../lib/rest.ts'
import { hash32, type JsonObject, listOf, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { clnPaymentCapabilities } from './capabilities.ts'
import { type Cln, type ClnOptions, callCln, checkRune, clnClient, clnNetwork } from './client.ts'

const METHODS = ['getinfo', 'xpay', 'listpays', 'listpeerchannels']

/**
 * A wallet on a Core Lightning node. A rune for `getinfo`, `xpay`, `listpays` and `listpeerchannels` is enough.
 *
 * @throws like {@link cln}.
 */
export async function clnWallet(options: ClnOptions): Promise<PaymentBackend> {
  const rest = clnClient(options, METHODS)
  const network = expectNetwork(rest.who, await clnNetwork(rest), options.network)
  await checkMayPay(rest)
  const find = (paymentHash: Uint8Array): Promise<PaymentOutcome> => lookup(rest, paymentHash)
  return buyerWallet({
    who: rest.who,
    network,
    capabilities: clnPaymentCapabilities,
    lookup: find,
    send: (request) => send(rest, request, find),
    async balance() {
      const { channels } = await callCln(rest, 'listpeerchannels', {})
      return listOf(channels).reduce<bigint>(
        (sum, one) => sum + (wholeOf(objectOf(one)['spendable_msat']) ?? 0n),
        0n,
      )
    },
    ping: () => checkMayPay(rest),
    identity: async () => (await callCln(rest, 'getinfo', {}))['id'],
    now: options.now,
  })
}

async function send(
  rest: Cln,
  { invoice, maxFeeMsat, timeoutMs, paymentHash }: PayRequest,
  find: (paymentHash: Uint8Array) => Promise<PaymentOutcome>,
): Promise<PaymentOutcome> {
  const json = { invstring: invoice, maxfee: Number(maxFeeMsat), retry_for: Math.ceil(timeoutMs / 1000) }
  const call = { method: 'POST', json, timeoutMs: timeoutMs + 30_000 } as const
  const answer = paymentAnswer(rest, await rest.call('v1/xpay', call))
  if ('detail' in answer) return answer
  checkRune(rest, 'xpay', answer)
  const body = objectOf(answer.body)
  if (answer.status === 200 || answer.status === 201) {
    const paid = paidOf(body)
    if (paid !== undefined) return paid
  }
  // An error may leave parts under way: the node's books know.
  const known = await find(paymentHash)
  if (known.status !== 'not_found') return known
  const detail = textOf(errorText(body))
  return detail === '' ? notUnderstood(answer) : { status: 'failed', detail }
}

function paidOf(body: JsonObject): PaymentOutcome | undefined {
  const preimage = hash32(body['payment_preimage'] ?? body['preimage'])
  const amount = wholeOf(body['amount_msat'])
  const sent = wholeOf(body['amount_sent_msat'])
  if (preimage === undefined || amount === undefined || sent === undefined) return undefined
  return { status: 'paid', preimage, feeMsat: sent > amount ? sent - amount : 0n }
}

async function lookup(rest: Cln, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const call = { method: 'POST', json: { payment_hash: encodeHex(paymentHash) } } as const
  const answer = lookupAnswer(await rest.call('v1/listpays', call))
  if ('detail' in answer) return answer
  const { pays } = objectOf(answer.body)
  if ((answer.status !== 200 && answer.status !== 201) || !Array.isArray(pays)) return notUnderstood(answer)
  const all = pays.map(objectOf)
  const complete = all.find(({ status }) => status === 'complete')
  if (complete !== undefined) return paidOf(complete) ?? notUnderstood(answer)
  if (all.some(({ status }) => status === 'pending')) return { status: 'pending' }
  if (all.length === 0) return { status: 'not_found' }
  return all.every(({ status }) => status === 'failed')
    ? { status: 'failed', detail: 'the payment failed' }
    : notUnderstood(answer)
}

/** Asks for a payment that nobody made, and pays an invoice that is none: the rune comes first. */
async function checkMayPay(rest: Cln): Promise<void> {
  await callCln(rest, 'listpays', { payment_hash: encodeHex(new Uint8Array(32)) })
  const answer = lookupAnswer(await rest.call('v1/xpay', { method: 'POST', json: { invstring: 'none' } }))
  if (!('detail' in answer)) checkRune(rest, 'xpay', answer)
}
