/** One journal of held payments for several processes that serve, and what becomes of those of a process that ends. */

import type { HoldDesk } from './hold-desk.ts'
import type { HoldJournal, OpenHold } from './hold-journal.ts'

/** Of the process that has the others' payments in its journal. */
export interface SharedHolds {
  /** Durable when it resolves. */
  add(worker: number, hold: OpenHold): Promise<void>
  done(paymentHash: string): Promise<void>
  /** The worker is gone: what it was to see through is taken over. */
  ended(worker: number): void
}

/** `desk` takes over; it works with the same journal. */
export function shareHolds(
  journal: Pick<HoldJournal, 'add' | 'done'>,
  desk: Pick<HoldDesk, 'adopt'>,
): SharedHolds {
  const kept = new Map<string, { readonly worker: number; readonly hold: OpenHold }>()
  const gone = new Set<number>()
  return {
    async add(worker, hold) {
      kept.set(hold.paymentHash, { worker, hold })
      try {
        await journal.add(hold)
      } catch (error) {
        kept.delete(hold.paymentHash)
        throw error
      }
      // Its last words came after its end.
      if (gone.has(worker)) takeOver(worker)
    },
    async done(paymentHash) {
      kept.delete(paymentHash)
      await journal.done(paymentHash)
    },
    ended(worker) {
      gone.add(worker)
      takeOver(worker)
    },
  }

  function takeOver(worker: number): void {
    for (const [paymentHash, one] of kept) {
      if (one.worker !== worker) continue
      kept.delete(paymentHash)
      desk.adopt(one.hold)
    }
  }
}
