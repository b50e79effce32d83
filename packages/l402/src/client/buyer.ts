/** A buyer: fetches, and pays when it must. */

import { startCall } from './call.ts'
import { follow } from './follow.ts'
import { firstHop } from './hop.ts'
import { askPrice, fetchQuoted } from './quote.ts'
import { recoverAll } from './resume.ts'
import { startRun } from './run.ts'
import type { Buyer, BuyerOptions } from './types.ts'
import { visit } from './visit.ts'

/**
 * Makes a buyer. It decides over money in values, not exceptions: every outcome says what became of it.
 * `payingFetch` is the same as a `fetch`.
 *
 * @example
 * const fare = buyer({ wallet, purse: sqlitePurse({ file: 'purse.db' }), maxMsat: 50_000n })
 * const outcome = await fare.fetch(await prepareRequest('https://api.example.com/forecast'))
 */
export function buyer(options: BuyerOptions): Buyer {
  const run = startRun(options)
  return {
    fetch(request) {
      const call = startCall(run, request)
      const hop = firstHop(request)
      return follow(call, hop, () => visit(call, hop))
    },
    quote: (request) => askPrice(run, request),
    payQuote: (id, request) => fetchQuoted(run, id, request),
    recover: () => recoverAll(run),
    get spentMsat() {
      return run.spentMsat
    },
  }
}
