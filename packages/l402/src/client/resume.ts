/** Payments whose end is open: looked up and finished, never repeated (rule C3). */

import { encodeHex } from '../core/bytes.ts'
import type { PaymentOutcome } from '../lightning/backend.ts'
import { pause } from '../stores/lib/pause.ts'
import type { PaymentRecord } from '../stores/purse.ts'
import { type Paid, payOpen, type Recorded, record } from './pay.ts'
import { PAYMENT_TIMEOUT_MS, type Run } from './run.ts'
import { lockName } from './scope.ts'
import type { Recovered } from './types.ts'
import { isItsWallet, lookUp } from './wallet-calls.ts'
import { isWrittenOff } from './write-off.ts'

/** Payments looked through for those that lack their proof. */
const MOST_UNPROVEN = 1_000_000
/** How long a payment under way is waited for, look-up by look-up, as parts of its time-out. */
const WAITS = [1 / 1200, 1 / 600, 1 / 300, 1 / 150, 1 / 75]
/** An invoice must last this much longer to be sent. */
const EXPIRY_MARGIN_SECONDS = 10

/**
 * Finishes an open payment for a request that needs it now: waits a little while it is under way, and sends it again
 * where the wallet never got it. To be called under the lock of its scope.
 */
export async function finish(run: Run, open: PaymentRecord, signal: AbortSignal | null): Promise<Paid> {
  if (open.state === 'reserved') return await resume(run, open)
  let answer = await lookUp(run, open.paymentHash)
  for (const part of WAITS) {
    if (answer.status !== 'pending') break
    await pause(run.paymentTimeoutMs * part, signal ?? undefined)
    answer = await lookUp(run, open.paymentHash)
  }
  const unsent = answer.status === 'not_found' && (await isItsWallet(run, open)) === 'yes'
  const lasting = open.expiresAt > Math.floor(run.now() / 1000) + EXPIRY_MARGIN_SECONDS
  const paid = unsent && lasting ? await payOpen(run, open) : undefined
  return paid ?? (await conclude(run, open, answer))
}

/** Finishes what can be finished of one open payment without paying. To be called under the lock of its scope. */
async function resume(run: Run, open: PaymentRecord): Promise<Paid> {
  // Whoever held the lock died before it asked a wallet.
  if (open.state === 'reserved')
    return await record(run, asResumed(open), { status: 'failed', detail: 'the wallet was never asked' })
  return await conclude(run, open, await lookUp(run, open.paymentHash))
}

async function conclude(run: Run, open: PaymentRecord, answer: PaymentOutcome): Promise<Paid> {
  return await record(run, asResumed(open), await believed(run, open, answer))
}

function asResumed({ paymentHash, amountMsat, origin }: PaymentRecord): Recorded {
  return { paymentHash, amountMsat, origin, resumed: true }
}

/** What an answer proves: only the wallet that was asked can say that it did not pay, and only once it is too late. */
async function believed(run: Run, open: PaymentRecord, answer: PaymentOutcome): Promise<PaymentOutcome> {
  if (answer.status === 'paid') return answer
  if (open.state === 'paid_unproven') return { status: 'paid_unproven', feeMsat: open.feeMsat }
  if (answer.status === 'pending' || answer.status === 'unknown') return answer
  const whose = await isItsWallet(run, open)
  if (whose !== 'yes') return { status: 'unknown', detail: whoCanSay(open.wallet, whose) }
  if (answer.status === 'paid_unproven') return answer
  if (answer.status === 'failed') return answer
  // The request may still be on its way to the wallet: how long, was settled by whoever sent it.
  const { createdAtMs, orderEndsAtMs = createdAtMs + Math.max(run.paymentTimeoutMs, PAYMENT_TIMEOUT_MS) } =
    open
  return run.now() >= orderEndsAtMs
    ? { status: 'failed', detail: 'the wallet never got it' }
    : { status: 'unknown', detail: 'the wallet does not know it yet' }
}

function whoCanSay(wallet: string, whose: 'other name' | 'other wallet'): string {
  if (whose === 'other name') return `only the wallet "${wallet}" can say what became of it`
  return `the wallet "${wallet}" is another one now than the one that was asked to pay: set it up as it was then and look again; nothing is paid until it has said what became of it`
}

/** Looks every open payment up, scope by scope. */
export async function recoverAll(run: Run): Promise<readonly Recovered[]> {
  const found: Recovered[] = []
  const unproven = (await run.purse.payments(MOST_UNPROVEN)).filter(({ state }) => state === 'paid_unproven')
  for (const { paymentHash, scope } of [...(await run.purse.openPayments()), ...unproven]) {
    const end = await run.purse.withLock(lockName(scope), async () => {
      const open = await run.purse.payment(paymentHash)
      if (!open || open.state === 'settled' || open.state === 'failed') return undefined
      const paid = await resume(run, open)
      return { open, paid, writtenOff: !paid.ok && (await isWrittenOffStill(run, open)) }
    })
    if (end) found.push(recovered(end.open, end))
  }
  return found
}

/** Whether nobody waits for it although it was looked up. */
async function isWrittenOffStill({ purse }: Run, { paymentHash }: PaymentRecord): Promise<boolean> {
  const payment = await purse.payment(paymentHash)
  return payment !== undefined && (await isWrittenOff(purse, payment))
}

function recovered(
  open: PaymentRecord,
  { paid, writtenOff }: { readonly paid: Paid; readonly writtenOff: boolean },
): Recovered {
  const { origin, url, amountMsat } = open
  const base = { paymentHash: encodeHex(open.paymentHash), origin, url, amountMsat, writtenOff }
  if (paid.ok) return { ...base, state: 'settled', detail: '' }
  const { kind, detail } = paid
  if (kind === 'payment_failed') return { ...base, state: 'failed', detail }
  return { ...base, state: kind === 'paid_unproven' ? 'paid_unproven' : 'unknown', detail }
}
