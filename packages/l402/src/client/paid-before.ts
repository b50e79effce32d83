/** What was paid before, as the purse tells it. */

import { decodeHex } from '../core/bytes.ts'
import type { PaymentRecord } from '../stores/purse.ts'
import type { Hop } from './hop.ts'
import type { Run } from './run.ts'
import { scopeOf } from './scope.ts'
import type { Purchase } from './types.ts'

/** Payments of a scope that are looked at, newest first; failed ones, which a seller can bring about, do not count. */
const MOST_CONSIDERED = 64
/** Name of the note on a scope that was asked for: hash of the last payment that its redirects led to. */
const BEHIND = 'last paid behind'

/** The newest payments of a scope that were made, newest first. */
export async function paidIn(run: Run, scope: string): Promise<readonly PaymentRecord[]> {
  for (let limit = MOST_CONSIDERED; ; limit *= 8) {
    const all = await run.purse.payments(limit, scope)
    const paid = all.filter(isPaid)
    if (paid.length >= MOST_CONSIDERED || all.length < limit) return paid.slice(0, MOST_CONSIDERED)
  }
}

/**
 * The last payment here, and what was paid last for the request that led here, whichever was less: a seller chooses where a
 * redirect leads, and not what it was asked for.
 */
export async function lastPaid(
  run: Run,
  { scope, askedScope }: { readonly scope: string; readonly askedScope: string },
): Promise<PaymentRecord | undefined> {
  const [here] = await paidIn(run, scope)
  if (scope === askedScope) return here
  const hash = decodeHex((await run.purse.note(askedScope, BEHIND)) ?? '')
  const noted = hash?.length === 32 ? await run.purse.payment(hash) : undefined
  const behind = noted && isPaid(noted) ? noted : (await paidIn(run, askedScope))[0]
  return here && behind && here.amountMsat > behind.amountMsat ? behind : (here ?? behind)
}

/** Remembers a payment for the request that led to it. */
export async function notePaidBehind(
  run: Run,
  { method, url, askedScope }: Hop,
  { paymentHash }: Pick<Purchase, 'paymentHash'>,
): Promise<void> {
  if (askedScope !== scopeOf(method, url)) await run.purse.setNote(askedScope, BEHIND, paymentHash)
}

function isPaid({ state }: PaymentRecord): boolean {
  return state === 'settled' || state === 'paid_unproven'
}
