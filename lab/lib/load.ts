import { setTimeout as pause } from 'node:timers/promises'
import type { Ledger } from '../../packages/l402/src/stores/ledger.ts'
import { request, use } from '../../packages/l402/src/stores/ledger-contract.test-suite.ts'

/** Clients that run until they are stopped. */
export interface Load {
  /** Lets them finish; answers how many calls they served, and how many were refused or failed. */
  stop(): Promise<{ readonly served: number; readonly faults: number }>
}

/** Many clients that use one counter each way there is, over faults; answers what they know of it. */
export function startLoad(ledger: Ledger, key: Uint8Array): Load {
  let running = true
  const tally = { served: 0, faults: 0 }
  const insist = async (task: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        return await task()
      } catch {
        await pause(20)
      }
    }
  }
  const client = async (n: number): Promise<void> => {
    for (let i = n; running; i++) {
      const outcome = await ledger.reserve(request(use(key, 2n ** 62n))).catch(() => undefined)
      if (outcome?.ok !== true) {
        tally.faults++
        await pause(5)
        continue
      }
      const { id } = outcome
      if (i % 4 === 0) {
        await insist(() => ledger.release(id))
        continue
      }
      const serving = await ledger.serve(id).then(
        () => true,
        () => false,
      )
      if (serving) tally.served++
      else tally.faults++
      await insist(() => (serving ? ledger.commit(id) : ledger.release(id)))
    }
  }
  const clients = Array.from({ length: 16 }, (_, n) => client(n))
  return {
    async stop() {
      running = false
      await Promise.all(clients)
      return tally
    },
  }
}
