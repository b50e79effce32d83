import type { SaleFacts, SalesWatcher } from '@turnpike/l402/server'
import type { MainCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** How redemptions are told. */
interface RemoteSalesOptions {
  /** Most that the main process has not taken yet; then a credential is told of when it comes again. */
  readonly most?: number
  /** Milliseconds until what was not taken is told again. */
  readonly againMs?: number
}

/**
 * The journal in the main process, as its workers have it. Every message is on its way before the request that it is about
 * goes on, so a worker that is killed takes nothing with it. A redemption is told until it is taken; more than once does no
 * harm, for a payment has one row and each of its events happens once.
 */
export function remoteSales(
  main: Peer<MainCalls>,
  { most = 10_000, againMs = 1_000 }: RemoteSalesOptions = {},
): SalesWatcher {
  let waiting = 0

  function tell(sale: SaleFacts): void {
    const again = (): void => void setTimeout(tell, againMs, sale).unref()
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
      if (waiting >= most) return false
      waiting++
      tell(sale)
      return true
    },
    // Told again with the next refusal.
    exhausted: (sale) => void main.call('saleExhausted', sale).catch(() => {}),
  }
}
