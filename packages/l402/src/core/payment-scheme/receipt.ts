/** `Payment-Receipt`: what was paid for the answer it stands beside (protocol §6). Never the preimage. */

import { decodeJsonObject, encodeJson } from './encoding.ts'
import type { RefundStatus } from './session.ts'

/** A receipt. */
export interface PaymentReceipt {
  readonly status: 'success'
  readonly method: string
  /** RFC 3339. */
  readonly timestamp: string
  /** The payment hash in lower-case hex. */
  readonly reference: string
  readonly challengeId?: string
  /** Of a session that was closed: what was left of it, and what became of paying that back. */
  readonly refundSats?: number
  readonly refundStatus?: RefundStatus
}

const REFUND_STATES: ReadonlySet<unknown> = new Set<RefundStatus>([
  'succeeded',
  'failed',
  'skipped',
  'pending',
])

/** The value of the header line. */
export function formatPaymentReceipt(receipt: PaymentReceipt): string {
  return encodeJson({ ...receipt })
}

/** Reads a header line; `undefined` for what is no receipt. Unknown members are ignored. Never throws. */
export function parsePaymentReceipt(value: string): PaymentReceipt | undefined {
  const { status, method, timestamp, reference, challengeId, refundSats, refundStatus } =
    decodeJsonObject(value.trim()) ?? {}
  if (status !== 'success' || typeof method !== 'string' || typeof timestamp !== 'string') return undefined
  if (typeof reference !== 'string') return undefined
  return {
    status,
    method,
    timestamp,
    reference,
    ...(typeof challengeId === 'string' ? { challengeId } : {}),
    ...(typeof refundSats === 'number' ? { refundSats } : {}),
    ...(REFUND_STATES.has(refundStatus) ? { refundStatus: refundStatus as RefundStatus } : {}),
  }
}
