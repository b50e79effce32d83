/**
 * One payment, from intent to a recorded end (rules C3, C4). The intent is durable before the wallet is asked, and
 * whatever is neither proven paid nor proven failed stays open: it is looked up later and never paid again.
 */

import { encodeHex } from '../core/bytes.ts'
import { isL402Error } from '../core/errors.ts'
import type { PaymentBackend } from '../lightning/backend.ts'
import type { PaymentIntent, PaymentRecord, StoredCredential } from '../stores/purse.ts'
import { canCarry } from './carry.ts'
import { consent } from './consent.ts'
import { boundKey, readMacaroon } from './credential-facts.ts'
import { useProofKey } from './dpop.ts'
import {
  checkPolicy,
  EXPIRY_MARGIN_SECONDS,
  type NotPaid,
  overMax,
  ownAuthorization,
  type Payable,
  refusedBy,
  refusedByBudget,
  unpayable,
} from './gate.ts'
import { bodyDigestOf, type Hop } from './hop.ts'
import { notePaidBehind } from './paid-before.ts'
import type { Run } from './run.ts'
import { hostOf, scopeOf } from './scope.ts'
import type { Purchase } from './types.ts'
import { type Answer, askToPay, reach, type Unreachable, walletIds } from './wallet-calls.ts'

/** How paying ended. */
export type Paid =
  | { readonly ok: true; readonly credential: StoredCredential; readonly purchase: Purchase }
  | NotPaid
  | {
      readonly ok: false
      readonly kind: 'payment_failed' | 'payment_unknown' | 'paid_unproven'
      readonly paymentHash: string
      readonly detail: string
    }
  | Unreachable

/**
 * Pays a challenge that passed the gate. To be called under the lock of its scope. An abort is heeded until the wallet
 * is asked, never after.
 */
export async function pay(
  run: Run,
  hop: Hop,
  purchase: { readonly payable: Payable; readonly signal: AbortSignal | null },
): Promise<Paid> {
  // Limits first: no wallet is contacted before a payment is needed and allowed.
  const early = unsendable(run, hop, purchase.payable) ?? (await checkPolicy(run, hop, purchase.payable))
  if (early) return early
  const wallet = await reach(run)
  if ('ok' in wallet) return wallet
  const payable = fitted(run, wallet, purchase.payable)
  if (!payable.ok) return payable
  const denied = await consent(
    run,
    { method: hop.method, url: hop.url, askedScope: hop.askedScope, offer: payable.offer },
    purchase.signal,
  )
  if (denied) return denied
  if (payable.offer.expiresAt <= Math.floor(run.now() / 1000) + EXPIRY_MARGIN_SECONDS)
    return unpayable('expired', 'the invoice expired while it was being approved', payable.offer)
  const [walletId] = await walletIds(run, wallet)
  const held = await reserve(run, hop, { payable, walletId })
  if (held) return held
  const boundTo = boundKey(readMacaroon(payable.challenge.macaroon))
  if (boundTo !== undefined) await useProofKey(run, hop.url.origin, boundTo)

  const { paymentHash } = payable.invoice
  const { amountMsat, maxFeeMsat, offer } = payable
  run.emit({ type: 'reserved', paymentHash: offer.paymentHash, amountMsat, maxFeeMsat })
  if (purchase.signal?.aborted) {
    await fail(run, paymentHash, 'aborted before the wallet was asked')
    purchase.signal.throwIfAborted()
  }
  if (!(await run.purse.beginPaying(paymentHash)))
    return {
      ok: false,
      kind: 'payment_unknown',
      paymentHash: offer.paymentHash,
      detail: 'the books were changed meanwhile',
    }
  run.emit({ type: 'paying', paymentHash: offer.paymentHash, amountMsat })
  const payment: Recorded = { paymentHash, amountMsat, origin: hop.url.origin, resumed: false }
  const order = { invoice: payable.challenge.invoice, paymentHash, amountMsat, maxFeeMsat }
  const answer = await askToPay(run, wallet, { order, late: (answer) => recordLate(run, payment, answer) })
  try {
    const paid = await record(run, payment, answer)
    if (paid.ok) await notePaidBehind(run, hop, paid.purchase)
    return paid
  } catch (error) {
    if (!isL402Error(error, 'store_unavailable')) throw error
    // The books still say in flight, so the next run looks it up.
    const detail = 'the wallet answered, and the purse could not be written'
    return { ok: false, kind: 'payment_unknown', paymentHash: offer.paymentHash, detail }
  }
}

/**
 * Sends a payment that its wallet has never heard of, as it stands on the books: the same invoice, so that nothing can
 * be paid twice (rule C3). It counts from now on, as if reserved anew; answers `undefined` where the limits do not allow that.
 */
export async function payOpen(run: Run, open: PaymentRecord): Promise<Paid | undefined> {
  const { paymentHash, invoice, amountMsat, maxFeeMsat, origin } = open
  const { maxMsat } = run.options
  // Held before anything is awaited: two calls of one run cannot both see the last satoshi.
  const undo = run.hold(paymentHash, amountMsat + maxFeeMsat)
  let wallet: PaymentBackend | undefined
  try {
    wallet = maxMsat === undefined || run.spentMsat <= maxMsat ? await readyToPay(run, open) : undefined
  } finally {
    if (wallet === undefined) undo()
  }
  if (wallet === undefined) return undefined
  run.emit({ type: 'paying', paymentHash: encodeHex(paymentHash), amountMsat })
  const payment: Recorded = { paymentHash, amountMsat, origin, resumed: false }
  const order = { invoice, paymentHash, amountMsat, maxFeeMsat }
  const late = (answer: Answer): Promise<unknown> => recordLate(run, payment, answer)
  const answer = await askToPay(run, wallet, { order, late })
  // That this order was not sent says nothing of the one before it, which may still be on its way (rule C3).
  const { status, detail } = { detail: '', ...answer }
  return await record(run, payment, status === 'unsent' ? { status: 'unknown', detail } : answer)
}

/** The wallet, once the books say that it is asked again; `undefined` where it cannot be, or the limits do not allow it. */
async function readyToPay(run: Run, open: PaymentRecord): Promise<PaymentBackend | undefined> {
  const wallet = await reach(run)
  if ('ok' in wallet) return undefined
  // The books say so first: whoever looks it up meanwhile must not take this order for one that is over.
  const orderEndsAtMs = Math.max(open.orderEndsAtMs ?? 0, run.now() + run.paymentTimeoutMs)
  const again = { nowMs: run.now(), orderEndsAtMs, detail: 'the wallet is asked again' }
  return (await run.purse.renew(open.paymentHash, again, await run.budget())).ok ? wallet : undefined
}

/** What could not be presented beside the user's own headers is not bought (rule C6). */
function unsendable(run: Run, hop: Hop, { challenge, offer }: Payable): NotPaid | undefined {
  return canCarry(run, hop, challenge.macaroon) ? undefined : ownAuthorization(offer)
}

/** The challenge against this very wallet: its network, whether it proves payments, and what it may cost in fees. */
function fitted(run: Run, wallet: PaymentBackend, payable: Payable): Payable | NotPaid {
  const { offer, invoice, amountMsat } = payable
  const networks = run.options.networks ?? [wallet.network]
  if (!networks.includes(invoice.network) || wallet.network !== invoice.network)
    return unpayable(
      'wrong_network',
      `the invoice is for ${invoice.network}, the wallet for ${wallet.network}`,
      offer,
    )
  if (!wallet.paymentCapabilities.returnsPreimage)
    return refusedBy('wallet_unfit', 'the wallet gives no preimage back, so it cannot buy credentials', {
      offer,
    })
  const maxFeeMsat = run.feeReserve(amountMsat)
  return { ...payable, maxFeeMsat, offer: { ...offer, maxFeeMsat } }
}

/** Whether this invoice was or may have been paid. One that failed for certain may be tried again. */
export async function isOnBooks(run: Run, paymentHash: Uint8Array): Promise<boolean> {
  const payment = await run.purse.payment(paymentHash)
  return payment !== undefined && payment.state !== 'failed'
}

/** Holds budget and intent in one durable step; answers why not. */
async function reserve(
  run: Run,
  hop: Hop,
  { payable, walletId }: { readonly payable: Payable; readonly walletId: string | undefined },
): Promise<NotPaid | undefined> {
  const { invoice, amountMsat, maxFeeMsat, offer, challenge } = payable
  const { paymentHash } = invoice
  const used = unpayable(
    'already_used',
    'this invoice is on the books already; it is never paid twice',
    offer,
  )
  if (await isOnBooks(run, paymentHash)) return used
  const createdAtMs = run.now()
  const intent: PaymentIntent = {
    paymentHash,
    origin: hop.url.origin,
    host: hostOf(hop.url),
    method: hop.method,
    url: hop.url.href,
    bodyDigest: bodyDigestOf(hop),
    scope: scopeOf(hop.method, hop.url),
    macaroon: challenge.macaroon,
    invoice: challenge.invoice,
    amountMsat,
    maxFeeMsat,
    payee: offer.payee,
    createdAtMs,
    expiresAt: offer.expiresAt,
    wallet: run.walletName,
    task: run.task,
    orderEndsAtMs: createdAtMs + run.paymentTimeoutMs,
    ...(walletId === undefined ? {} : { walletId }),
  }
  const budget = await run.budget()
  // Nothing is awaited between this check and the hold: two calls of one run cannot both see the last satoshi.
  const over = overMax(run, payable)
  if (over) return over
  run.hold(paymentHash, amountMsat + maxFeeMsat)
  try {
    const answer = await run.purse.reserve(intent, budget)
    if (answer.ok) return undefined
    run.hold(paymentHash, 0n)
    return refusedByBudget(answer, offer)
  } catch (error) {
    run.hold(paymentHash, 0n)
    // Another process took the same invoice in between.
    if (error instanceof RangeError) return used
    throw error
  }
}

/** The wallet may come back after its time; what it proves then is recorded. */
async function recordLate(run: Run, payment: Recorded, answer: Answer): Promise<void> {
  if (answer.status === 'paid') await record(run, payment, answer)
}

/** What is being recorded. */
export interface Recorded {
  readonly paymentHash: Uint8Array
  readonly amountMsat: bigint
  readonly origin: string
  readonly resumed: boolean
}

/** Writes a payment's end to the books and says what it means. */
export async function record(run: Run, payment: Recorded, answer: Answer): Promise<Paid> {
  const { paymentHash, amountMsat, origin, resumed } = payment
  const hash = encodeHex(paymentHash)
  switch (answer.status) {
    case 'paid': {
      const credential = await settle(run, paymentHash, answer)
      if (!credential)
        return await unproven(run, payment, {
          feeMsat: answer.feeMsat,
          detail: 'the preimage of the wallet does not prove the payment',
        })
      const feeMsat = answer.feeMsat < 0n ? 0n : answer.feeMsat
      run.correct(paymentHash, amountMsat + feeMsat)
      const purchase: Purchase = {
        paymentHash: hash,
        origin,
        amountMsat,
        feeMsat,
        credentialId: credential.id,
        resumed,
      }
      run.emit({ type: 'paid', ...purchase })
      return { ok: true, credential, purchase }
    }
    case 'paid_unproven':
      return await unproven(run, payment, {
        feeMsat: answer.feeMsat,
        detail: 'the wallet paid and does not say the preimage',
      })
    case 'failed':
      await fail(run, paymentHash, answer.detail)
      return { ok: false, kind: 'payment_failed', paymentHash: hash, detail: answer.detail }
    case 'unsent':
      await fail(run, paymentHash, answer.detail)
      return { ok: false, kind: 'wallet_unreachable', detail: answer.detail, cause: answer.cause }
    default: {
      const detail = 'detail' in answer ? answer.detail : 'the payment is under way'
      await run.purse.conclude(paymentHash, { state: 'unknown', detail })
      run.emit({ type: 'payment_unknown', paymentHash: hash, detail })
      return { ok: false, kind: 'payment_unknown', paymentHash: hash, detail }
    }
  }
}

/** Stores a proven payment; `undefined` where the preimage proves nothing (rule C4). */
async function settle(
  run: Run,
  paymentHash: Uint8Array,
  paid: { readonly preimage: Uint8Array; readonly feeMsat: bigint },
): Promise<StoredCredential | undefined> {
  try {
    const feeMsat = paid.feeMsat < 0n ? 0n : paid.feeMsat
    return await run.purse.settle(paymentHash, { preimage: paid.preimage, feeMsat })
  } catch (error) {
    if (isL402Error(error, 'lightning_invalid')) return undefined
    throw error
  }
}

async function unproven(
  run: Run,
  { paymentHash, amountMsat }: Recorded,
  end: { readonly feeMsat: bigint; readonly detail: string },
): Promise<Paid> {
  const feeMsat = end.feeMsat < 0n ? 0n : end.feeMsat
  await run.purse.conclude(paymentHash, { state: 'paid_unproven', feeMsat, detail: end.detail })
  run.correct(paymentHash, amountMsat + feeMsat)
  const hash = encodeHex(paymentHash)
  run.emit({ type: 'paid_unproven', paymentHash: hash, detail: end.detail })
  return { ok: false, kind: 'paid_unproven', paymentHash: hash, detail: end.detail }
}

async function fail(run: Run, paymentHash: Uint8Array, detail: string): Promise<void> {
  await run.purse.conclude(paymentHash, { state: 'failed', detail })
  run.correct(paymentHash, 0n)
  run.emit({ type: 'payment_failed', paymentHash: encodeHex(paymentHash), detail })
}
