/** Payments as the books show them: with what their owner has said of them. */

import { isWrittenOff, type PaymentRecord, type PurseStore } from '@turnpike/l402/client'

/** A payment, and whether its owner has given it up. */
export interface Entry extends PaymentRecord {
  /** Given up, and without an end still: nobody waits for it. */
  readonly writtenOff: boolean
}

/** The newest payments, newest first. */
export async function entriesOf(purse: PurseStore, limit: number): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  for (const record of await purse.payments(limit))
    entries.push({ ...record, writtenOff: await isWrittenOff(purse, record) })
  return entries
}

/** The state in words for people. */
export function stateText({ state, writtenOff }: Pick<Entry, 'state' | 'writtenOff'>): string {
  return writtenOff ? 'written off' : state.replace('_', ' ')
}
