/** `Payment-Receipt`: what was paid for the answer it stands beside (protocol §6). Never the preimage. */

import { decodeJsonObject, encodeJson } from './encoding.ts'

/** A receipt. */
export interface PaymentReceipt {
  readonly status: 'success'
  readonly method: string
  /** RFC 3339. */
  readonly timestamp: string
  /** The payment hash in lower-case hex. */
  readonly reference: string
  readonly challengeId?: string
}

/** The value of the header line. */
export function formatPaymentReceipt(receipt: PaymentReceipt): string {
  return encodeJson({ ...receipt })
}

/** Reads a header line; `undefined` for what is no receipt. Unknown members are ignored. Never throws. */
export function parsePaymentReceipt(value: string): PaymentReceipt | undefined {
  const { status, method, timestamp, reference, challengeId } = decodeJsonObject(value.trim()) ?? {}
  if (status !== 'success' || typeof method !== 'string' || typeof timestamp !== 'string') return undefined
  if (typeof reference !== 'string') return undefined
  return {
    status,
    method,
    timestamp,
    reference,
    ...(typeof challengeId === 'string' ? { challengeId } : {}),
  }
}
