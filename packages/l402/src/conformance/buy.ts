/** The one purchase of a probe. What is said of the money is true whatever the server or the wallet do next. */

import { formatAmount } from '../core/amount.ts'
import { encodeHex } from '../core/bytes.ts'
import { isL402Error } from '../core/errors.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../lightning/backend.ts'
import type { Report } from './finding.ts'
import { checkPaid } from './paid-rules.ts'
import type { Send } from './refused-rules.ts'
import { checkUnpaid, type Offered } from './unpaid-rules.ts'

/** What may be paid. */
export interface DiagnosePay {
  readonly wallet: PaymentBackend
  /** Price and fees together are never more. */
  readonly mostMsat: bigint
  /** Lowers what of it may be fees. */
  readonly maxFeeMsat?: bigint
}

/** What was paid. */
export interface DiagnosePaid {
  readonly amountMsat: bigint
  /** `null` where the wallet does not say. */
  readonly feeMsat: bigint | null
  /** `unknown`: it was sent, and the wallet does not know yet what became of it. */
  readonly status: 'paid' | 'unknown'
}

/** How long a payment may take. */
const PAYMENT_TIMEOUT_MS = 60_000
/** An invoice that ends sooner is not paid. */
const MARGIN_SECONDS = 10

/** Pays a fresh challenge, not one that other probes may have spoilt, and tries what it bought. */
export async function buyAndTry(
  send: Send,
  { now, method, ...pay }: DiagnosePay & { readonly now: () => number; readonly method: string },
  report: Report,
): Promise<DiagnosePaid | null> {
  const nothing = (what: string, remedy: string): null => {
    report('note', '-', `${what}: nothing was paid`, remedy)
    return null
  }
  const offered = checkUnpaid(await send([]), () => {}, now() / 1000)
  if (offered === undefined) return nothing('a fresh request was offered nothing', 'Ask again later.')
  const { amountMsat, network, paymentHash, expiresAt } = offered.invoice
  const { wallet, mostMsat } = pay
  if (amountMsat === null) return nothing('the invoice names no amount', 'Make invoices for the price.')
  if (amountMsat > mostMsat)
    return nothing(
      `the price of ${formatAmount(amountMsat)} is above the cap of ${formatAmount(mostMsat)}`,
      'Allow more.',
    )
  if (network !== wallet.network)
    return nothing(
      `the invoice is for ${network}, the wallet is on ${wallet.network}`,
      'Use a wallet on that network.',
    )
  if (!offered.isWellMinted)
    return nothing('the token on offer is not for its invoice', 'Mend the challenge first.')
  if (expiresAt < now() / 1000 + MARGIN_SECONDS)
    return nothing('the invoice on offer has ended', 'Let invoices live for 10 minutes or more.')
  // The cap is for price and fees together.
  const room = mostMsat - amountMsat
  const maxFeeMsat = pay.maxFeeMsat !== undefined && pay.maxFeeMsat < room ? pay.maxFeeMsat : room
  const { invoice } = offered.challenge
  const order = { invoice, paymentHash, amountMsat, maxFeeMsat, timeoutMs: PAYMENT_TIMEOUT_MS }
  const outcome = await outcomeOf(wallet, order)
  switch (outcome.status) {
    case 'paid':
      return await tryBought(send, { offered, outcome, amountMsat, method }, report)
    case 'failed':
    case 'not_found': {
      const fees = `at most ${formatAmount(maxFeeMsat)} of fees was allowed`
      return nothing(`the payment failed (${fees})`, 'Allow more than the price, or see the wallet.')
    }
    case 'paid_unproven':
      report(
        'error',
        '-',
        'the wallet paid and does not give the preimage, so nothing could be tried',
        'Use a wallet that gives preimages back.',
      )
      return { amountMsat, feeMsat: outcome.feeMsat, status: 'paid' }
    default:
      report(
        'error',
        '-',
        `the payment ${encodeHex(paymentHash)} was sent, and what became of it is not known`,
        'Look it up in the wallet by this hash before paying again.',
      )
      return { amountMsat, feeMsat: null, status: 'unknown' }
  }
}

/** Rule C3: what was not certainly unsent is looked up, and is unknown as long as the wallet does not tell. */
async function outcomeOf(wallet: DiagnosePay['wallet'], order: PayRequest): Promise<PaymentOutcome> {
  const unknown: PaymentOutcome = { status: 'unknown', detail: '' }
  let outcome: PaymentOutcome
  try {
    outcome = await wallet.pay(order)
  } catch (error) {
    if (isL402Error(error, 'lightning_unavailable')) throw error
    outcome = unknown
  }
  if (outcome.status !== 'unknown' && outcome.status !== 'pending') return outcome
  const found = await wallet.lookupPayment(order.paymentHash).catch(() => unknown)
  // Not found is no proof here: the wallet may not have written it down yet.
  return found.status === 'not_found' ? unknown : found
}

async function tryBought(
  send: Send,
  {
    offered: { challenge },
    outcome: { preimage, feeMsat },
    amountMsat,
    method,
  }: {
    readonly offered: Offered
    readonly outcome: Extract<PaymentOutcome, { status: 'paid' }>
    readonly amountMsat: bigint
    readonly method: string
  },
  report: Report,
): Promise<DiagnosePaid> {
  const bought = { macaroon: challenge.macaroon, preimage: encodeHex(preimage), method }
  await checkPaid(send, bought, report)
  return { amountMsat, feeMsat, status: 'paid' }
}
