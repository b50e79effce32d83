/** Calls to the wallet, with everything that can go wrong as a value. */

import { isL402Error } from '../core/errors.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../lightning/backend.ts'
import type { PaymentRecord } from '../stores/purse.ts'
import type { Run } from './run.ts'

/** How long past its own time-out a wallet may take to answer; never more than once again. */
const ANSWER_GRACE_MS = 5_000
/** How long a wallet may take to tell who it is. */
const IDENTITY_MS = 5_000

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

/** Who the wallet is, the surest first; nothing where it does not tell in time. Never rejects. */
export async function walletIds(run: Run, wallet: PaymentBackend): Promise<readonly string[]> {
  const known = run.walletIds.get(wallet)
  if (known) return known
  const asked = Promise.resolve(wallet.identities?.() ?? []).catch(() => [])
  const told = (await within(asked, IDENTITY_MS)) ?? []
  if (told.length > 0) run.walletIds.set(wallet, told)
  return told
}

/** Whether the wallet of this run is the one that was asked for a payment, as far as its name and its identity tell. */
export async function isItsWallet(
  run: Run,
  { wallet: name, walletId }: Pick<PaymentRecord, 'wallet' | 'walletId'>,
): Promise<'yes' | 'other name' | 'other wallet'> {
  if (name !== run.walletName) return 'other name'
  if (walletId === undefined) return 'yes'
  const wallet = await reach(run)
  // It is told of in other words then that no wallet answers.
  if ('ok' in wallet) return 'yes'
  return (await walletIds(run, wallet)).includes(walletId) ? 'yes' : 'other wallet'
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
  const wallet = await reach(run).catch((error: unknown) => {
    // One that refuses, its credential revoked perhaps, is no reason not to look the others' payments up.
    if (isL402Error(error)) return { detail: error.message }
    throw error
  })
  if ('ok' in wallet)
    return { status: 'unknown', detail: 'the wallet cannot be reached to look the payment up' }
  if ('detail' in wallet) return { status: 'unknown', detail: wallet.detail }
  if (!wallet.paymentCapabilities.looksUp)
    return { status: 'unknown', detail: 'the wallet cannot look payments up' }
  const asked = guarded(() => wallet.lookupPayment(paymentHash))
  const answer = await within(asked, run.paymentTimeoutMs)
  if (!answer) return { status: 'unknown', detail: 'the wallet did not answer in time' }
  return answer.status === 'unsent' ? { status: 'unknown', detail: answer.detail } : answer
}
