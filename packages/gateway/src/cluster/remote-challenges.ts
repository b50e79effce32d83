import { L402Error } from '@turnpike/l402'
import type { ChallengeAuthority } from '@turnpike/l402/server'
import type { MainCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** The count of challenges in the main process, so that the limit is one for all workers. Without an answer none is made. */
export function remoteChallenges(main: Peer<MainCalls>): ChallengeAuthority {
  return {
    take: (prefix) =>
      main.call('takeChallenge', prefix).catch(() => {
        throw new L402Error('lightning_unavailable', 'challenges cannot be counted right now')
      }),
  }
}
