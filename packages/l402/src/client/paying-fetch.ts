/** The buyer as a `fetch`. */

import { L402Error, type L402ErrorCode } from '../core/errors.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'
import type { BuyerOptions, FetchOutcome } from './types.ts'
import { watched } from './watched.ts'

/** Options of {@link payingFetch}. */
export type PayingFetchOptions = BuyerOptions

/** The signature of `fetch`. */
export type PayingFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** Where an answer keeps its outcome: a `WeakMap` would keep every answer alive until the next full collection. */
const OUTCOME = Symbol('outcome of payingFetch')

/**
 * Makes a `fetch` that pays for L402 within the purse's budget. A 402 without an L402 challenge is answered as it is.
 * What was paid and not served is answered with the server's answer; {@link outcomeOf} tells the two apart.
 *
 * Throws `L402Error`: `payment_refused` (details: `reason`), `not_replayable`, `payment_failed`, `payment_unknown`,
 * `paid_not_served` (no answer at all after paying), `lightning_unavailable`, `store_unavailable`. An aborted signal
 * rejects with its reason, once a payment under way has come to an end on the books.
 *
 * @example
 * const fetch = payingFetch({ wallet, purse: memoryPurse() })
 * const response = await fetch('https://api.example.com/forecast')
 */
export function payingFetch(options: PayingFetchOptions): PayingFetch {
  const { fetch } = buyer(options)
  const prepare = { bufferStreams: options.bufferStreams ?? false }
  return async (input, init) => {
    const request = await prepareRequest(input, init, prepare)
    request.signal?.throwIfAborted()
    const outcome = await fetch(request)
    if (outcome.kind !== 'served') request.signal?.throwIfAborted()
    const response = await watched(outcome, responseOf(outcome), request.signal)
    Object.defineProperty(response, OUTCOME, { value: outcome, configurable: true })
    return response
  }
}

/** What happened with the money behind an answer of {@link payingFetch}. */
export function outcomeOf(response: Response): FetchOutcome | undefined {
  return (response as { readonly [OUTCOME]?: FetchOutcome })[OUTCOME]
}

const CODES = {
  not_served: 'paid_not_served',
  paid_unproven: 'paid_not_served',
  refused: 'payment_refused',
  unpayable: 'payment_refused',
  payment_failed: 'payment_failed',
  payment_unknown: 'payment_unknown',
  wallet_unreachable: 'lightning_unavailable',
} as const satisfies Record<Exclude<FetchOutcome['kind'], 'served'>, L402ErrorCode>

/** The answer of an outcome; throws where there is none to give. */
export function responseOf(outcome: FetchOutcome): Response {
  if (outcome.kind === 'served') return outcome.response
  if (outcome.kind === 'not_served' && outcome.response) return outcome.response
  if (outcome.kind === 'unpayable' && outcome.reason === 'no_challenge' && outcome.response) {
    return outcome.response
  }
  throw errorOf(outcome)
}

function errorOf(outcome: Exclude<FetchOutcome, { kind: 'served' }>): L402Error {
  const reason = 'reason' in outcome ? outcome.reason : null
  const paymentHash = 'paymentHash' in outcome ? outcome.paymentHash : null
  const code = reason === 'not_replayable' ? 'not_replayable' : CODES[outcome.kind]
  return new L402Error(code, outcome.detail, {
    details: { kind: outcome.kind, reason, paymentHash },
    ...('cause' in outcome && outcome.cause !== undefined ? { cause: outcome.cause } : {}),
  })
}
