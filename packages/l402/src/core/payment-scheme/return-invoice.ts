/** The invoice that a session's client wants its rest paid to: a stranger's text, and money goes where it says. */

import { decodeInvoice } from '../bolt11/index.ts'
import { isL402Error } from '../errors.ts'
import type { Network } from '../network.ts'

/** An invoice that a refund can be paid to. */
export interface ReturnInvoice {
  /** Lower case. */
  readonly invoice: string
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** Unix seconds. */
  readonly expiresAt: number
}

/**
 * Reads and checks it: whole and signed, of this network, without an amount (the server names it), not over yet. Answers what
 * is wrong in a few words, with nothing of the text in them.
 */
export function readReturnInvoice(
  text: string,
  { network, nowSeconds }: { readonly network: Network; readonly nowSeconds: number },
): ReturnInvoice | string {
  const invoice = text.toLowerCase()
  // BOLT 11 §"Encoding Overview": all lower or all upper case.
  if (text !== invoice && text !== text.toUpperCase()) return 'expected a BOLT 11 invoice in one case'
  try {
    const { network: found, amountMsat, paymentHash, expiresAt } = decodeInvoice(invoice)
    if (found !== network) return `expected an invoice of ${network}, got one of ${found}`
    if (amountMsat !== null)
      return 'expected an invoice without an amount: what is paid back is not known yet'
    if (expiresAt <= nowSeconds) return 'expected an invoice that has not expired'
    return { invoice, paymentHash, expiresAt }
  } catch (error) {
    if (isL402Error(error, 'malformed')) return 'expected a valid BOLT 11 invoice without an amount'
    throw error
  }
}
