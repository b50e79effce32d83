import { encodeHex } from '../../core/bytes.ts'
import { type PaymentReceipt, parsePaymentReceipt } from '../../core/payment-scheme/receipt.ts'

/** The receipt beside an answer, if it is for this payment; a server's word, nothing hangs on it. */
export function receiptOf(response: Response, paymentHash: Uint8Array): PaymentReceipt | null {
  const value = response.ok ? response.headers.get('payment-receipt') : null
  const receipt = value === null ? undefined : parsePaymentReceipt(value)
  return receipt?.reference.toLowerCase() === encodeHex(paymentHash) ? receipt : null
}
