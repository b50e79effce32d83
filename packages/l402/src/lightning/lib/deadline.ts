/** Time-outs of payments. */

import type { PaymentOutcome } from '../backend.ts'

/** The longest a timer can run, in milliseconds; longer ones would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/** The outcome, or `unknown` when it takes longer: the payment itself goes on (rule C3). */
export function orUnknown(outcome: Promise<PaymentOutcome>, timeoutMs: number): Promise<PaymentOutcome> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => resolve({ status: 'unknown', detail: `no outcome within ${timeoutMs} ms` })
    const timer = setTimeout(giveUp, Math.min(timeoutMs, LONGEST_TIMER))
    outcome.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
