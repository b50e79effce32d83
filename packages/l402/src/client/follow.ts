/** Redirects by hand: what goes out and what may be paid is decided anew at every hop (rule C7). */

import type { Call } from './call.ts'
import { concluded } from './delivery.ts'
import { type Hop, nextHop } from './hop.ts'
import { shownUrl } from './scope.ts'
import { discard } from './send.ts'
import type { FetchOutcome } from './types.ts'
import { visit } from './visit.ts'

/** Visits a hop by `first`, then wherever its answers lead. */
export async function follow(
  call: Call,
  start: Hop,
  first: () => Promise<FetchOutcome>,
): Promise<FetchOutcome> {
  let hop = start
  try {
    let outcome = await first()
    for (let redirects = 0; ; redirects++) {
      const next = followed(call, hop, outcome)
      if (!next || outcome.kind !== 'served') return await concluded(call, outcome)
      await discard(outcome.response)
      if (redirects >= call.run.maxRedirects)
        throw new TypeError(`more than ${call.run.maxRedirects} redirects`)
      const { status } = outcome.response
      call.run.emit({ type: 'redirect', url: shownUrl(hop.url), to: shownUrl(next.url), status })
      hop = next
      outcome = await visit(call, hop)
    }
  } catch (cause) {
    // What was bought on the way must not go under in an exception (rule C8).
    const last = call.purchases.at(-1)
    if (!last) throw cause
    const { credentialId, paymentHash } = last
    const detail = 'the request failed after paying'
    const base = { url: hop.url.href, purchases: call.purchases }
    const outcome: FetchOutcome = {
      ...{ ...base, kind: 'not_served', response: null, credentialId, paymentHash, detail, cause },
    }
    // What became of the money is told, also where the books cannot be written now.
    return await concluded(call, outcome).catch(() => outcome)
  }
}

/** The next hop, if there is one and the caller wants it followed. */
function followed(call: Call, hop: Hop, outcome: FetchOutcome): Hop | null {
  if (outcome.kind !== 'served' || call.request.redirect === 'manual') return null
  const next = nextHop(hop, outcome.response)
  if (next && call.request.redirect === 'error') throw new TypeError('the server answered with a redirect')
  return next
}
