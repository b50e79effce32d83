/** Prices asked for without paying, and kept to be paid as they stand. */

import { encodeHex, equalBytes } from '../core/bytes.ts'
import type { StoredQuote } from '../stores/purse.ts'
import { refusedOutcome, startCall } from './call.ts'
import { canCarry } from './carry.ts'
import { nobodyToAsk, propose } from './consent.ts'
import { namesRoute, readMacaroon } from './credential-facts.ts'
import { boundChallenge } from './dpop-offer.ts'
import { follow } from './follow.ts'
import {
  challengesOf,
  checkPolicy,
  type NotPaid,
  ownAuthorization,
  type Payable,
  refusedBy,
  unpayable,
} from './gate.ts'
import { heldFor } from './held.ts'
import { bodyDigestOf, firstHop, type Hop, movedHop, nextHop } from './hop.ts'
import { isOnBooks } from './pay.ts'
import { challengeOfBooks } from './payment-scheme/charge.ts'
import type { ProposedPurchase } from './proposal.ts'
import type { Run } from './run.ts'
import { hostOf, scopeOf, shownUrl } from './scope.ts'
import { discard, send } from './send.ts'
import type { FetchOutcome, PreparedRequest, Quote, QuoteOutcome } from './types.ts'
import { visitQuoted } from './visit.ts'

/** Hex digits of a quote's id. */
const ID_LENGTH = 16

/** Sends the request as it is, without any credential of the purse, and keeps what it would cost. */
export async function askPrice(run: Run, request: PreparedRequest): Promise<QuoteOutcome> {
  let hop = firstHop(request)
  for (let redirects = 0; ; redirects++) {
    const response = await send(run, request, { hop, credential: null })
    const next = request.redirect === 'follow' ? nextHop(hop, response) : null
    if (!next) return await priceOf(run, { request, hop, response })
    await discard(response)
    if (redirects >= run.maxRedirects) throw new TypeError(`more than ${run.maxRedirects} redirects`)
    run.emit({ type: 'redirect', url: shownUrl(hop.url), to: shownUrl(next.url), status: response.status })
    hop = next
  }
}

async function priceOf(
  run: Run,
  { request, hop, response: first }: { request: PreparedRequest; hop: Hop; response: Response },
): Promise<QuoteOutcome> {
  const url = hop.url.href
  if (first.status !== 402) return { kind: 'no_charge', url, response: first }
  // Where the server binds what it sells, the price is asked for what will be bought: bound to a key of this purse.
  const unpaid = { request, response: first, challenges: challengesOf(first), forQuote: !hop.downgraded }
  const asked = await boundChallenge(run, hop, unpaid)
  const { payable } = asked
  const response = asked.response ?? first
  if (!payable.ok) {
    const outcome = refusedOutcome(startCall(run, request), hop, { why: payable, response })
    if (outcome.kind === 'unpayable') return { ...outcome, response }
    throw new Error('a challenge can only be unpayable here')
  }
  run.emit({ type: 'challenge', url: shownUrl(hop.url), ...payable.offer })
  const stored = storedQuote(run, { request, hop, payable })
  const { method, url: at, askedScope } = hop
  const wanted = { method, url: at, askedScope, offer: payable.offer }
  const proposal = await propose(run, wanted)
  const refusal = await objection(run, { request, hop, payable, proposal })
  // A downgraded hop is not kept: its way there would be forgotten.
  if (!hop.downgraded) await run.purse.saveQuote(stored)
  const held = await heldFor(run, hop, { tried: new Set(), owedOnly: false, locked: false })
  const likely = held.find(
    ({ macaroon, boughtFor }) =>
      boughtFor === scopeOf(method, hop.url) ||
      namesRoute(readMacaroon(macaroon), { method, path: hop.url.pathname }) !== false,
  )
  const quote: Quote = {
    ...payable.offer,
    id: stored.id,
    method: hop.method,
    requestUrl: request.url.href,
    url,
    refusal: refusal
      ? { kind: refusal.kind, reason: refusal.reason, detail: refusal.detail, overBudget: refusal.overBudget }
      : null,
    asks: proposal.asks,
    heldCredentialId: likely?.id ?? null,
  }
  return { kind: 'quote', quote, response }
}

/** Why this buyer would not pay, as far as it can be told without asking the wallet. */
async function objection(
  run: Run,
  {
    request,
    hop,
    payable,
    proposal,
  }: { request: PreparedRequest; hop: Hop; payable: Payable; proposal: ProposedPurchase },
): Promise<NotPaid | undefined> {
  const { offer } = payable
  if (!canCarry(run, hop, payable.challenge.macaroon)) return ownAuthorization(offer)
  if (!request.replayable)
    return refusedBy('not_replayable', 'the body is a stream, which cannot be sent again after paying', {
      offer,
    })
  if (await isOnBooks(run, payable.invoice.paymentHash))
    return unpayable('already_used', 'this invoice is on the books already', offer)
  const policy = await checkPolicy(run, hop, payable)
  return policy ?? nobodyToAsk(run, proposal, offer)
}

function storedQuote(
  run: Run,
  { request, hop, payable }: { request: PreparedRequest; hop: Hop; payable: Payable },
): StoredQuote {
  return {
    id: encodeHex(payable.invoice.paymentHash).slice(0, ID_LENGTH),
    requestUrl: request.url.href,
    origin: hop.url.origin,
    host: hostOf(hop.url),
    method: hop.method,
    url: hop.url.href,
    bodyDigest: bodyDigestOf(hop),
    macaroon: payable.challenge.macaroon,
    invoice: payable.challenge.invoice,
    createdAtMs: run.now(),
    expiresAt: payable.offer.expiresAt,
  }
}

/** Pays exactly the quoted invoice and fetches. */
export async function fetchQuoted(run: Run, id: string, request: PreparedRequest): Promise<FetchOutcome> {
  const call = startCall(run, request)
  const first = firstHop(request)
  const mismatch = (detail: string): FetchOutcome =>
    refusedOutcome(call, first, { why: refusedBy('quote_mismatch', detail), response: null })
  const quote = await run.purse.quote(id)
  if (!quote) return mismatch('there is no such quote, or it ended more than a day ago')
  const hop = hopOf(first, quote)
  if (!hop) return mismatch('the quote is for another URL or method')
  if (!sameDigest(bodyDigestOf(hop), quote.bodyDigest)) return mismatch('the quote is for another body')
  // Also where the server leads to somewhere else: what was agreed to is this invoice.
  const only = { ...call, onlyInvoice: quote.invoice }
  return await follow(only, hop, () => visitQuoted(only, hop, challengeOfBooks(quote)))
}

/** The request at the hop that was quoted; `undefined` where it is another one. */
function hopOf(first: Hop, quote: StoredQuote): Hop | undefined {
  const asked = first.url.href
  if (asked !== quote.url && asked !== quote.requestUrl) return undefined
  if (asked === quote.url && first.method === quote.method) return first
  // Redirects may only have turned the method into GET.
  if (first.method !== quote.method && quote.method !== 'GET') return undefined
  return movedHop(first, new URL(quote.url), quote.method)
}

function sameDigest(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}
