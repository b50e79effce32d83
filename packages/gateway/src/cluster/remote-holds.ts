import type { HoldJournal } from '../holds/hold-journal.ts'
import type { MainCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** The journal of held payments in the main process, as a worker has it: what was open before is the main process's. */
export function remoteHolds(main: Peer<MainCalls>, worker: number): HoldJournal {
  return {
    found: [],
    add: (hold) => main.call('addHold', { worker, hold }),
    done: (paymentHash) => main.call('endHold', paymentHash),
    close: async () => {},
  }
}
