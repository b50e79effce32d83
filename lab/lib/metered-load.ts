import { setTimeout as pause } from 'node:timers/promises'
import type { Ledger, Redemption } from '../../packages/l402/src/stores/ledger.ts'
import { freshKey } from '../../packages/l402/src/stores/ledger-contract.test-suite.ts'

/** What clients know when they have been stopped. */
export interface MeteredTally {
  readonly creditedMsat: bigint
  readonly spentMsat: bigint
  readonly faults: number
  /** How often each of the claims was executed. */
  readonly executed: readonly number[]
}

/** Many clients that top one account up, draw on it by measured cost, and make claims, each until it is through, over faults. */
export function startMeteredLoad(ledger: Ledger, payer: Redemption): { stop(): Promise<MeteredTally> } {
  let running = true
  let [creditedMsat, spentMsat, faults] = [0n, 0n, 0]
  const executed: number[] = []
  const insist = async <T>(task: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await task()
      } catch {
        faults++
        await pause(10)
      }
    }
  }

  const draw = async (n: number): Promise<void> => {
    const use = { key: payer.tokenId, limit: 'credited', amount: 5n, metered: true } as const
    for (let i = n; running; i++) {
      const paymentHash = freshKey()
      // Asked again after a fault, it may have been put there before; never twice.
      await insist(() => ledger.credit({ ...payer, paymentHash }, 20n))
      creditedMsat += 20n
      const outcome = await insist(() => ledger.reserve({ redemption: payer, uses: [use] }))
      if (!outcome.ok) throw new Error('no room')
      const { id } = outcome
      const serving = await ledger.serve(id).then(
        () => true,
        () => false,
      )
      if (!serving) {
        await insist(() => ledger.release(id))
        continue
      }
      const actual = BigInt(i % 12)
      if (i % 3 === 0) await insist(() => ledger.draw(id, actual))
      await insist(() => ledger.commit(id, actual))
      // What was drawn is never below the estimate until it is committed.
      spentMsat += actual
    }
  }

  const claim = async (n: number): Promise<void> => {
    for (let i = n; running; i++) {
      const asked = { key: freshKey(), digest: freshKey(), untilMs: Date.now() + 3_600_000 }
      const mine = executed.push(0) - 1
      let given = i % 3 === 0
      for (;;) {
        const { state } = await insist(() => ledger.claim(asked))
        if (state === 'answered') break
        // Not for long: what nobody got an answer to is given up with the next call.
        if (state !== 'claimed') await pause(1)
        else if (given) {
          given = false
          await insist(() => ledger.unclaim(asked.key))
        } else {
          executed[mine] = (executed[mine] ?? 0) + 1
          await insist(() => ledger.answer(asked.key, asked.digest))
        }
      }
    }
  }

  const clients = Array.from({ length: 8 }, (_, n) => [draw(n), claim(n)]).flat()
  return {
    async stop() {
      running = false
      await Promise.all(clients)
      return { creditedMsat, spentMsat, faults, executed }
    },
  }
}
