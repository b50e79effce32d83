import { isIP } from 'node:net'
import { L402Error } from '@turnpike/l402'
import { type GrantTerms, reaches } from './grant-book.ts'

/** How a daemon sends what a grant's holder asks for. */
export interface GrantFetches {
  /** To hosts that are given as addresses, and to `localhost`: their user has said where they are. */
  readonly direct: typeof globalThis.fetch
  /** To names: these resolve to whatever their owner likes, so only public addresses are connected to. */
  readonly publicOnly: typeof globalThis.fetch
}

/**
 * A `fetch` that goes nowhere but to the grant's hosts; asked on every hop (rule C7). The daemon stands elsewhere in the
 * network than whoever holds the grant, so a name may not lead into it.
 */
export function grantFetch(fetches: GrantFetches, terms: GrantTerms): typeof globalThis.fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!reaches(terms, url))
      throw new L402Error(
        'payment_refused',
        `the grant does not reach ${url.host}; it is for ${terms.hosts.join(', ')}`,
      )
    return await (isPlace(url.hostname) ? fetches.direct : fetches.publicOnly)(input, init)
  }
}

/** Whether a host says itself where it is. */
function isPlace(hostname: string): boolean {
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
}
