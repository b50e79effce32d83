import { USUAL_METHODS } from '@turnpike/l402/server'
import type { OwnProblem } from './answers.ts'

/** Nothing is passed on that no route names. */
export const NO_ROUTE: OwnProblem = {
  code: 'no_route',
  detail: 'no route of this gateway matches the method and path',
}

export const NO_WEBSOCKET: OwnProblem = {
  code: 'upgrade_not_supported',
  detail: 'the service behind this gateway speaks HTTP/2, over which no WebSocket is carried',
}

/** A use that is not in the books is not served (protocol §5 rule 9). */
export const BOOKS_DOWN: OwnProblem = {
  code: 'store_unavailable',
  detail: 'the use could not be recorded; nothing was charged',
  lines: ['Retry-After', '5'],
}

/** Another proxy asks about a request that it will not send on in the one spelling that was matched. */
export const OTHER_SPELLING: OwnProblem = {
  code: 'bad_target',
  detail:
    'the path is not in its normal spelling: no dot or empty segments, nothing encoded that need not be',
}

/** Another proxy asks about a request of which it does not show enough. */
export const NEEDS_BODY: OwnProblem = {
  code: 'not_by_proxy',
  detail: 'what this route costs hangs on a body or an answer that pass by this gateway',
}

/** Another proxy would send these on. */
export const OVERRIDDEN: OwnProblem = {
  code: 'bad_request',
  detail: 'expected no header line that says another method or path, such as X-HTTP-Method-Override',
}

/** There is no room for one more request that waits for its payment. */
export const NOT_KEPT: OwnProblem = {
  code: 'store_unavailable',
  detail: 'no more requests can be kept for their payment right now; nothing was charged',
  lines: ['Retry-After', '5'],
}

export const BAD_EXPECTATION: OwnProblem = {
  code: 'expectation_failed',
  detail: 'expected 100-continue, or no Expect line',
}

export const INTERNAL: OwnProblem = {
  code: 'internal_error',
  detail: 'the gateway failed to decide over this request',
}

/** For the methods that never pass. */
export function methodNotAllowed(method: string): OwnProblem {
  return {
    code: 'method_not_allowed',
    detail: `${method} is not carried by this gateway`,
    lines: ['Allow', USUAL_METHODS.join(', ')],
  }
}

/** What the balance can be asked with. */
export const BALANCE_METHOD: OwnProblem = {
  code: 'method_not_allowed',
  detail: 'the balance is read with GET',
  lines: ['Allow', 'GET, HEAD, OPTIONS'],
}

/** More bytes than the route takes. */
export function bodyTooLarge(mostBytes: number | undefined): OwnProblem {
  return {
    code: 'body_too_large',
    detail: `expected a body of at most ${mostBytes ?? 0} bytes; nothing was charged`,
  }
}

/** The body of a request with an `Idempotency-Key` did not come. */
export const BODY_LATE: OwnProblem = {
  code: 'request_timeout',
  detail: 'the body of the request did not arrive in time; nothing was charged',
}
