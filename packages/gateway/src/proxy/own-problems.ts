import { USUAL_METHODS } from '@turnpike/l402/server'
import type { OwnProblem } from './answers.ts'

/** Nothing is passed on that no route names. */
export const NO_ROUTE: OwnProblem = {
  code: 'no_route',
  detail: 'no route of this gateway matches the method and path',
}

export const NO_WEBSOCKET: OwnProblem = {
  code: 'upgrade_not_supported',
  detail: 'this gateway does not carry WebSocket connections',
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
