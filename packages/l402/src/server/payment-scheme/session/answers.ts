/** Answers to the actions that end here. */

import { formatPaymentReceipt } from '../../../core/payment-scheme/receipt.ts'
import type { Refused } from '../../gate.ts'
import type { Closing } from './refund.ts'

/** What a receipt says in any case. */
interface ReceiptFacts {
  /** The deposit's payment hash in lower-case hex. */
  readonly reference: string
  readonly challengeId: string
  readonly nowMs: number
}

/** The deposit is on the balance. */
export function toppedUpAnswer(facts: ReceiptFacts): Refused {
  return answer(facts, { status: 'ok' }, {})
}

const DETAILS: Partial<Record<Closing['refundStatus'], string>> = {
  failed:
    'what could not be paid back is on the balance again, for "Authorization: L402 <macaroon>:<preimage>" of the deposit',
  skipped:
    'nothing is paid back; what may be left is on the balance, for "Authorization: L402 <macaroon>:<preimage>" of the deposit',
  pending: 'it is not known yet whether it was paid; it is paid once at most',
}

/** The session is closed. */
export function closedAnswer(facts: ReceiptFacts, { refundSats, refundStatus }: Closing): Refused {
  const detail = DETAILS[refundStatus]
  const refund = { refundSats, refundStatus }
  return answer(facts, { status: 'closed', ...refund, ...(detail === undefined ? {} : { detail }) }, refund)
}

function answer(
  { nowMs, ...facts }: ReceiptFacts,
  body: object,
  refund: Partial<Pick<Closing, 'refundSats' | 'refundStatus'>>,
): Refused {
  const timestamp = new Date(nowMs).toISOString()
  const receipt = { status: 'success', method: 'lightning', timestamp, ...facts, ...refund } as const
  return {
    outcome: 'refuse',
    reason: 'session',
    status: 200,
    headers: [
      ...['Content-Type', 'application/json', 'Cache-Control', 'private'],
      ...['Payment-Receipt', formatPaymentReceipt(receipt)],
    ],
    body: JSON.stringify(body),
    grpc: false,
  }
}
