/** Whether what a page waits on is paid: by the node's word, or by a preimage that the reader has. */

import { decodeHex, encodeHex, equalBytes } from '../core/bytes.ts'
import { isL402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { InvoiceBackend, InvoiceDetails } from '../lightning/backend.ts'
import { clientPrefix } from '../server/client-prefix.ts'
import type { LimitAsk, LimitAuthority } from '../server/limits/authority.ts'
import type { Pending } from './pending.ts'

/** How the payment of a page stands. `settled`: paid, and nobody says by which preimage. */
export type PaymentState =
  | { readonly state: 'paid'; readonly pending: Pending; readonly preimage: Uint8Array }
  | { readonly state: 'settled' | 'open' | 'expired' | 'unavailable' }
  | { readonly state: 'later'; readonly retryAfterSeconds: number }

/** Asks the node about all of these; the first that is paid decides, else the last one's state. */
export type Look = (pending: readonly Pending[], clientAddress: string) => Promise<PaymentState>

// A page asks every two to ten seconds; the bounds are for what is not a page.
const PER_INVOICE = { requests: 90, windowMs: 60_000, burst: 30 }
const PER_PREFIX = { requests: 600, windowMs: 60_000, burst: 200 }

/** See {@link Look}. Only what `readPending` made is asked about: a forged one costs the node nothing. */
export function createLook(lightning: InvoiceBackend, limits: LimitAuthority): Look {
  const asking = new Map<string, Promise<InvoiceDetails>>()

  /** Several tabs of one page ask once. */
  function detailsOf(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    const key = encodeHex(paymentHash)
    const running = asking.get(key)
    if (running !== undefined) return running
    const started = ask(paymentHash).finally(() => asking.delete(key))
    asking.set(key, started)
    return started
  }

  async function ask(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    if (lightning.invoiceDetails !== undefined) return lightning.invoiceDetails(paymentHash)
    return { state: await lightning.lookupInvoice(paymentHash) }
  }

  return async (pending, clientAddress) => {
    if (!lightning.invoiceCapabilities.looksUp) return { state: 'open' }
    let last: PaymentState = { state: 'open' }
    for (const one of pending) {
      const asks: LimitAsk[] = [
        { rule: 'page', key: encodeHex(one.paymentHash), allowance: PER_INVOICE },
        { rule: 'page-prefix', key: clientPrefix(clientAddress), allowance: PER_PREFIX },
      ]
      try {
        const waitMs = await limits.take(asks)
        if (waitMs > 0) return { state: 'later', retryAfterSeconds: Math.ceil(waitMs / 1000) }
        const { state, preimage } = await detailsOf(one.paymentHash)
        if (state === 'settled') {
          if (preimage !== undefined && proves(preimage, one))
            return { state: 'paid', pending: one, preimage }
          last = { state: 'settled' }
        } else if (last.state !== 'settled')
          last = { state: state === 'open' || state === 'accepted' ? 'open' : 'expired' }
      } catch (error) {
        if (!isL402Error(error)) throw error
        return { state: 'unavailable' }
      }
    }
    return last
  }
}

/** The one of these that a preimage (64 hex digits, any case) has paid (rule C4's other side). */
export function provenBy(preimageText: string, pending: readonly Pending[]): PaymentState {
  const preimage = decodeHex(preimageText)
  if (preimage?.length !== 32) return { state: 'open' }
  const paid = pending.find((one) => proves(preimage, one))
  return paid === undefined ? { state: 'open' } : { state: 'paid', pending: paid, preimage }
}

function proves(preimage: Uint8Array, { paymentHash }: Pending): boolean {
  return equalBytes(sha256(preimage), paymentHash)
}
