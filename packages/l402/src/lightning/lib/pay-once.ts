/** Paying at most once per payment hash, over wallets that may answer late, twice, or not at all (rules C3, C4). */

import { decodeInvoice } from '../../core/bolt11/index.ts'
import { encodeHex, equalBytes } from '../../core/bytes.ts'
import { isL402Error } from '../../core/errors.ts'
import { sha256 } from '../../core/hash.ts'
import type { Network } from '../../core/network.ts'
import type { PaymentOutcome, PayRequest } from '../backend.ts'
import { Book } from './book.ts'
import { orUnknown } from './deadline.ts'

/** What a wallet has to be able to do for {@link payOnce}. */
export interface PayOnceParts {
  readonly network: Network
  /** Sends. Throws `lightning_unavailable` only where nothing was sent. */
  readonly send: (request: PayRequest) => Promise<PaymentOutcome>
  /** How the wallet says the payment stands. */
  readonly lookup: (paymentHash: Uint8Array) => Promise<PaymentOutcome>
  /** The wallet itself never pays one hash twice, so it need not be asked before. */
  readonly walletPaysOnce?: boolean
  readonly now?: (() => number) | undefined
}

/** A wallet's `pay`: see {@link PaymentBackend}. */
export function payOnce(parts: PayOnceParts): (request: PayRequest) => Promise<PaymentOutcome> {
  const now = parts.now ?? Date.now
  const underWay = new Map<string, Promise<PaymentOutcome>>()
  // What this process has sent: the last guard where a wallet forgets.
  const ends = new Book<{ readonly expiresAt: number; readonly outcome: PaymentOutcome }>()

  const once = async (request: PayRequest, key: string): Promise<PaymentOutcome> => {
    const kept = ends.get(key)?.outcome
    if (kept?.status === 'paid') return kept
    const objection = objectionTo(request, parts.network)
    if (objection !== undefined) return { status: 'failed', detail: objection }
    if (kept !== undefined || !parts.walletPaysOnce) {
      const before = await parts.lookup(request.paymentHash)
      if (before.status !== 'not_found' && before.status !== 'failed') return proven(before, request)
      // It was sent, no outcome came, and the wallet does not know it: it may still come up.
      if (kept !== undefined && kept.status !== 'failed') return kept
    }
    const { expiresAt } = decodeInvoice(request.invoice)
    if (now() / 1000 >= expiresAt) return { status: 'failed', detail: 'the invoice has expired' }
    const outcome = proven(await parts.send(request), request)
    ends.set(key, { expiresAt, outcome }, Math.floor(now() / 1000))
    return outcome
  }

  return (request) => {
    const key = encodeHex(request.paymentHash)
    let running = underWay.get(key)
    // Another text with the same hash is another question.
    if (running === undefined || objectionTo(request, parts.network) !== undefined) {
      running = once(request, key)
      if (!underWay.has(key)) {
        const done = running.finally(() => underWay.delete(key))
        done.catch(() => {})
        underWay.set(key, done)
      }
    }
    return orUnknown(running, request.timeoutMs)
  }
}

/** Why an invoice is not paid, or `undefined`. */
function objectionTo(request: PayRequest, network: Network): string | undefined {
  try {
    const invoice = decodeInvoice(request.invoice)
    if (invoice.network !== network) return `the invoice is for ${invoice.network}, the wallet for ${network}`
    if (!equalBytes(invoice.paymentHash, request.paymentHash)) return 'the invoice has another payment hash'
    // What names no amount is paid where that is meant, and nowhere else.
    const expected = request.anyAmount === true ? null : request.amountMsat
    if (invoice.amountMsat !== expected) return 'the invoice has another amount'
    return undefined
  } catch (error) {
    if (isL402Error(error, 'malformed')) return 'the invoice cannot be read'
    throw error
  }
}

/** Paid counts only with the right preimage (rule C4). */
function proven(outcome: PaymentOutcome, { paymentHash }: PayRequest): PaymentOutcome {
  return checkProof(outcome, paymentHash)
}

/** `outcome`, or that it is unknown where a preimage proves nothing. */
export function checkProof(outcome: PaymentOutcome, paymentHash: Uint8Array): PaymentOutcome {
  if (outcome.status !== 'paid') return outcome
  const proves = outcome.preimage.length === 32 && equalBytes(sha256(outcome.preimage), paymentHash)
  if (!proves) return { status: 'unknown', detail: 'the preimage is not that of the payment' }
  return outcome.feeMsat < 0n ? { ...outcome, feeMsat: 0n } : outcome
}
