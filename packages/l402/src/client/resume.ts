/** Payments whose end is open: looked up and finished, never repeated (rule C3). */

import { encodeHex } from '../core/bytes.ts'
import type { PaymentOutcome } from '../lightning/backend.ts'
import type { PaymentRecord } from '../stores/purse.ts'
import { lookUp, type Paid, record } from './pay.ts'
import type { Run } from './run.ts'
import type { Recovered } from './types.ts'

/** Name of the lock of a scope (rule C5). */
export function lockName(scope: string): string {
  return `scope ${scope}`
}

/** Finishes what can be finished of one open payment. To be called under the lock of its scope. */
export async function resume(run: Run, open: PaymentRecord): Promise<Paid> {
  const { paymentHash, amountMsat, origin } = open
  const recorded = { paymentHash, amountMsat, origin, resumed: true }
  // Whoever held the lock died before it asked a wallet.
  if (open.state === 'reserved')
    return await record(run, recorded, { status: 'failed', detail: 'the wallet was never asked' })
  return await record(run, recorded, believed(run, open, await lookUp(run, paymentHash)))
}

/** What an answer proves: only the wallet that was asked can say that it did not pay, and only once it is too late. */
function believed(run: Run, open: PaymentRecord, answer: PaymentOutcome): PaymentOutcome {
  if (answer.status !== 'failed' && answer.status !== 'not_found') return answer
  if (open.wallet !== run.walletName) {
    const detail = `only the wallet "${open.wallet}" can say what became of it`
    return { status: 'unknown', detail }
  }
  if (answer.status === 'failed') return answer
  // The request may still be on its way to the wallet.
  return run.now() - open.createdAtMs >= run.paymentTimeoutMs
    ? { status: 'failed', detail: 'the wallet never got it' }
    : { status: 'unknown', detail: 'the wallet does not know it yet' }
}

/** Looks every open payment up, scope by scope. */
export async function recoverAll(run: Run): Promise<readonly Recovered[]> {
  const found: Recovered[] = []
  for (const { paymentHash, scope } of await run.purse.openPayments()) {
    const end = await run.purse.withLock(lockName(scope), async () => {
      const open = await run.purse.payment(paymentHash)
      if (!open || !['reserved', 'in_flight', 'unknown'].includes(open.state)) return undefined
      return { open, paid: await resume(run, open) }
    })
    if (end) found.push(recovered(end.open, end.paid))
  }
  return found
}

function recovered(open: PaymentRecord, paid: Paid): Recovered {
  const { origin, url, amountMsat } = open
  const base = { paymentHash: encodeHex(open.paymentHash), origin, url, amountMsat }
  if (paid.ok) return { ...base, state: 'settled', detail: '' }
  const { kind, detail } = paid
  if (kind === 'payment_failed') return { ...base, state: 'failed', detail }
  return { ...base, state: kind === 'paid_unproven' ? 'paid_unproven' : 'unknown', detail }
}
