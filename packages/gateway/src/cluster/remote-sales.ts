import type { SaleFacts, SalesWatcher } from '@turnpike/l402/server'
import type { MainCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** Most redemptions that the main process has not taken yet; then a credential is told of when it comes again. */
const WAITING_MAX = 10_000
const AGAIN_MS = 1_000

/**
 * The journal in the main process, as its workers have it. Every message is on its way before the request that it is about
 * goes on, so a worker that is killed takes nothing with it. A redemption is told until it is taken; more than once does no
 * harm, for a payment has one row and each of its events happens once.
 */
export function remoteSales(main: Peer<MainCalls>): SalesWatcher {
  let waiting = 0

  function tell(sale: SaleFacts): void {
    const again = (): void => void setTimeout(tell, AGAIN_MS, sale).unref()
    main.call('saleRedeemed', sale).then(
      (taken) => {
        if (taken) waiting--
        else again()
      },
      () => again(),
    )
  }

  return {
    // The price is then taken from the route.
    challenged: (sale) => void main.call('saleChallenged', sale).catch(() => {}),
    redeemed(sale) {
      if (waiting >= WAITING_MAX) return false
      waiting++
      tell(sale)
      return true
    },
    // Told with the next refusal.
    exhausted: (sale) => void main.call('saleExhausted', sale).catch(() => {}),
  }
}
