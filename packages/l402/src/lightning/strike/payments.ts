/** Payments by Strike: a quote names the fee, and executing it pays. */

import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { PaymentOutcome, PayRequest } from '../backend.ts'
import { Book } from '../lib/book.ts'
import {
  answerOf,
  lookupAnswer,
  notUnderstood,
  paymentAnswer,
  type Rest,
  type RestAnswer,
} from '../lib/rest.ts'
import { hash32, objectOf, textOf } from '../lib/values.ts'
import { msatOf } from './amounts.ts'

const POLL_MS = 500
const KEEP_SECONDS = 24 * 3600
/** Refusals of a quote that say for certain that nothing was sent. */
const UNSENT = ['PAYMENT_QUOTE_EXPIRED', 'BALANCE_TOO_LOW']

/** What a wallet is made of. */
export interface StrikePayments {
  send(request: PayRequest): Promise<PaymentOutcome>
  lookup(paymentHash: Uint8Array): Promise<PaymentOutcome>
}

export function payments(rest: Rest, now: () => number = Date.now): StrikePayments {
  /** Strike's ids of what this process has sent. */
  const ids = new Book<{ readonly expiresAt: number; readonly id: string }>()

  const lookup = async (paymentHash: Uint8Array): Promise<PaymentOutcome> => {
    const known = ids.get(encodeHex(paymentHash))
    if (known === undefined) return { status: 'unknown', detail: 'Strike finds no payment by its hash' }
    const answer = lookupAnswer(await rest.call(`v1/payments/${encodeURIComponent(known.id)}`))
    if ('detail' in answer) return answer
    return answer.status === 200 ? paymentOf(answer) : notUnderstood(answer)
  }

  const settled = async (paymentHash: Uint8Array, until: number): Promise<PaymentOutcome> => {
    for (;;) {
      const outcome = await lookup(paymentHash)
      if (outcome.status !== 'pending' || now() >= until) return outcome
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  const send = async (request: PayRequest): Promise<PaymentOutcome> => {
    const { invoice, maxFeeMsat, timeoutMs, paymentHash } = request
    const json = { lnInvoice: invoice, sourceCurrency: 'BTC' }
    // A quote pays nothing: whatever goes wrong here, nothing was sent.
    const quoted = answerOf(rest, await rest.call('v1/payment-quotes/lightning', { method: 'POST', json }))
    const refused = quoted.status === 400 || quoted.status === 422
    if (refused)
      return {
        status: 'failed',
        detail: textOf(objectOf(objectOf(quoted.body)['data'])['message'], 'refused'),
      }
    const quote = objectOf(quoted.body)
    const { paymentQuoteId } = quote
    const feeMsat = quote['totalFee'] === undefined ? feeOf(quote) : msatOf(quote['totalFee'])
    if (quoted.status >= 300 || typeof paymentQuoteId !== 'string' || feeMsat === undefined)
      throw new L402Error('lightning_unavailable', `${rest.who}: gave no quote (HTTP ${quoted.status})`)
    if (feeMsat > maxFeeMsat)
      return { status: 'failed', detail: `the fee is ${feeMsat} msat, above the limit` }

    const path = `v1/payment-quotes/${encodeURIComponent(paymentQuoteId)}/execute`
    const call = { method: 'PATCH', timeoutMs: timeoutMs + 30_000 } as const
    const executed = paymentAnswer(rest, await rest.call(path, call))
    if ('detail' in executed) return executed
    const { paymentId } = objectOf(executed.body)
    if (typeof paymentId !== 'string') {
      const { code, message } = objectOf(objectOf(executed.body)['data'])
      return UNSENT.some((one) => one === code)
        ? { status: 'failed', detail: textOf(message, 'refused') }
        : notUnderstood(executed)
    }
    const nowMs = now()
    const expiresAt = Math.floor(nowMs / 1000) + KEEP_SECONDS
    ids.set(encodeHex(paymentHash), { expiresAt, id: paymentId }, Math.floor(nowMs / 1000))
    const outcome = paymentOf(executed)
    // An answer without a preimage may be an early one.
    const early = outcome.status === 'pending' || outcome.status === 'paid_unproven'
    return early ? await settled(paymentHash, nowMs + timeoutMs) : outcome
  }
  return { send, lookup }
}

function feeOf(body: Readonly<Record<string, unknown>>): bigint | undefined {
  return msatOf(body['lightningNetworkFee'] ?? objectOf(body['lightning'])['networkFee'])
}

function paymentOf(answer: RestAnswer): PaymentOutcome {
  const body = objectOf(answer.body)
  const lightning = objectOf(body['lightning'])
  const preimage = hash32(lightning['preImage'] ?? lightning['preimage'])
  const feeMsat = body['totalFee'] === undefined ? (feeOf(body) ?? 0n) : msatOf(body['totalFee'])
  switch (body['state']) {
    case 'COMPLETED':
      if (feeMsat === undefined) return notUnderstood(answer)
      return preimage === undefined
        ? { status: 'paid_unproven', feeMsat }
        : { status: 'paid', preimage, feeMsat }
    case 'PENDING':
      return { status: 'pending' }
    case 'FAILED':
      return { status: 'failed', detail: 'the payment failed' }
    default:
      return notUnderstood(answer)
  }
}
