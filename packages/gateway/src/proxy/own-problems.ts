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
