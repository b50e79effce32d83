import { L402Error } from '@turnpike/l402'
import { type GrantTerms, reaches } from './grant-book.ts'

/**
 * A `fetch` that goes nowhere but to the grant's hosts; asked on every hop (rule C7). The daemon stands elsewhere in the
 * network than whoever holds the grant.
 */
export function grantFetch(fetch: typeof globalThis.fetch, terms: GrantTerms): typeof globalThis.fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!reaches(terms, url))
      throw new L402Error(
        'payment_refused',
        `the grant does not reach ${url.host}; it is for ${terms.hosts.join(', ')}`,
      )
    return await fetch(input, init)
  }
}
