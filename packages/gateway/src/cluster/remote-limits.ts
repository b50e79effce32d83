import { L402Error } from '@turnpike/l402'
import type { LimitAuthority } from '@turnpike/l402/server'
import type { MainCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** The counts in the main process, so that every limit is one for all workers. What cannot be counted is not let through. */
export function remoteLimits(main: Peer<MainCalls>): LimitAuthority {
  return {
    take: (asks) =>
      main.call('takeLimits', asks).catch(() => {
        throw new L402Error('store_unavailable', 'limits cannot be counted right now')
      }),
    // Not given back, it is one too many until its time is over.
    giveBack: (asks) => void main.call('giveBackLimits', asks).catch(() => {}),
  }
}
