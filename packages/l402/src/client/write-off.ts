/**
 * Payments that their owner has given up, because the wallet that was asked is gone for good. In the books they stay what they
 * are, unknown: what they may have cost counts for good, and their invoice is never paid again. A note beside them says that
 * nobody waits for them any more: they stand in the way of no purchase, and are never sent again. Programs that do not know
 * the note wait, as before.
 */

import { encodeHex } from '../core/bytes.ts'
import type { PaymentRecord, PurseStore } from '../stores/purse.ts'
import { lockName } from './scope.ts'

/** Name of the note in the purse; its subject is the payment hash. */
const NOTE = 'written off'

/** Whether its owner has given it up. What has come to light since goes before that. */
export async function isWrittenOff(
  purse: Pick<PurseStore, 'note'>,
  { paymentHash, createdAtMs, state }: Pick<PaymentRecord, 'paymentHash' | 'createdAtMs' | 'state'>,
): Promise<boolean> {
  if (state !== 'in_flight' && state !== 'unknown') return false
  // A later attempt with the same invoice, once this one had failed, is another payment.
  return (await purse.note(encodeHex(paymentHash), NOTE)) === String(createdAtMs)
}

/**
 * Gives a payment up whose end is open. Waits for whoever pays or looks it up right now (rule C5); throws when `signal` aborts
 * first. By its owner's word alone: nothing in this library calls it.
 *
 * @param meant - The payment as its owner was shown it. A later attempt with the same invoice is another payment.
 * @returns The payment as it stands; or `undefined` where it is not open: not known, ended, or not asked for yet.
 */
export async function writeOff(
  purse: PurseStore,
  meant: Pick<PaymentRecord, 'paymentHash' | 'createdAtMs' | 'scope'>,
  signal?: AbortSignal,
): Promise<PaymentRecord | undefined> {
  const task = async (): Promise<PaymentRecord | undefined> => {
    const open = await purse.payment(meant.paymentHash)
    if (open?.state !== 'in_flight' && open?.state !== 'unknown') return undefined
    if (open.createdAtMs !== meant.createdAtMs || open.scope !== meant.scope) return undefined
    await purse.setNote(encodeHex(meant.paymentHash), NOTE, String(open.createdAtMs))
    return open
  }
  return await purse.withLock(lockName(meant.scope), task, signal)
}
