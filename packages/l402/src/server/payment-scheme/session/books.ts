/** What sessions do with the gate's books more than once. */

import { L402Error } from '../../../core/errors.ts'
import type { Ledger } from '../../../stores/ledger.ts'

/** Makes a reservation a use: once it is served, a crash leaves it so. Throws `store_unavailable`, and gives it back then. */
export async function carryOut(ledger: Ledger, id: bigint): Promise<void> {
  try {
    await ledger.serve(id)
  } catch (error) {
    void ledger.release(id).catch(() => {})
    throw error
  }
  await ledger.commit(id)
}

/** Another process is at it. */
export function busy(what: 'session' | 'payment'): L402Error {
  return new L402Error('store_unavailable', `the ${what} is being written to by another process`)
}
