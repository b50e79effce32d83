/** Calls to the wallet, with everything that can go wrong as a value. */

import { isL402Error } from '../core/errors.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../lightning/backend.ts'
import type { Run } from './run.ts'

/** How long past its own time-out a wallet may take to answer; never more than once again. */
const ANSWER_GRACE_MS = 5_000

/** No wallet, and so nothing paid. */
export interface Unreachable {
  readonly ok: false
  readonly kind: 'wallet_unreachable'
  readonly detail: string
  readonly cause: unknown
}

/** What one wallet call came to: an outcome, or the certainty that nothing was sent. */
export type Answer =
  | PaymentOutcome
  | { readonly status: 'unsent'; readonly detail: string; readonly cause: unknown }

/** The wallet, or that it cannot be reached. */
export async function reach(run: Run): Promise<PaymentBackend | Unreachable> {
  try {
    return await run.wallet()
  } catch (cause) {
    if (!isL402Error(cause, 'lightning_unavailable')) throw cause
    return { ok: false, kind: 'wallet_unreachable', detail: cause.message, cause }
  }
}

/** Has the wallet pay. What comes after the time-out, while this process lives, goes to `late`. */
export async function askToPay(
  run: Run,
  wallet: PaymentBackend,
  what: {
    readonly order: Pick<PayRequest, 'invoice' | 'paymentHash' | 'amountMsat' | 'maxFeeMsat'>
    readonly late: (answer: Answer) => Promise<unknown>
  },
): Promise<Answer> {
  const { order, late } = what
  const timeoutMs = run.paymentTimeoutMs
  const asked = guarded(() => wallet.pay({ ...order, timeoutMs }))
  const answer = await within(asked, timeoutMs + Math.min(timeoutMs, ANSWER_GRACE_MS))
  if (answer) return answer
  void asked.then(late).catch(() => {})
  return { status: 'unknown', detail: 'the wallet did not answer in time' }
}

/** A wallet call that never rejects. An unexpected error says nothing about the payment, and may hold secrets (C10). */
async function guarded(call: () => Promise<PaymentOutcome>): Promise<Answer> {
  try {
    return await call()
  } catch (cause) {
    if (isL402Error(cause, 'lightning_unavailable')) return { status: 'unsent', detail: cause.message, cause }
    return { status: 'unknown', detail: isL402Error(cause) ? cause.message : 'the wallet broke its contract' }
  }
}

async function within<T>(answer: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Looks a payment up: what its wallet knows, with everything that goes wrong as `unknown`. */
export async function lookUp(run: Run, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const wallet = await reach(run)
  if ('ok' in wallet)
    return { status: 'unknown', detail: 'the wallet cannot be reached to look the payment up' }
  if (!wallet.paymentCapabilities.looksUp)
    return { status: 'unknown', detail: 'the wallet cannot look payments up' }
  const asked = guarded(() => wallet.lookupPayment(paymentHash))
  const answer = await within(asked, run.paymentTimeoutMs)
  if (!answer) return { status: 'unknown', detail: 'the wallet did not answer in time' }
  return answer.status === 'unsent' ? { status: 'unknown', detail: answer.detail } : answer
}
