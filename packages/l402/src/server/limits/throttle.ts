import { isL402Error } from '../../core/errors.ts'
import { storeUnavailable, tooManyAnswer } from '../answers.ts'
import type { Decision, GateRequest, Refused } from '../gate.ts'
import type { LimitAsk, LimitAuthority } from './authority.ts'

/** Goes on with a request that is within all its rates; `undo` takes it out of them again. */
type Throttled = (undo: () => void) => Decision | Promise<Decision>

/**
 * Lets a request go on where each of these has room, and counts it in all of them; else 429, counted in none. What is
 * refused may be taken another way (`limited`).
 */
export type Throttle = (
  request: GateRequest,
  asks: readonly LimitAsk[],
  go: Throttled,
  limited?: (answer: Refused) => Decision | Promise<Decision>,
) => Decision | Promise<Decision>

/** See {@link Throttle}; 503 where the authority cannot count. Synchronous where authority and request are. */
export function createThrottle(limits: LimitAuthority): Throttle {
  return (request, asks, go, limited = (answer) => answer) => {
    if (asks.length === 0) return go(() => {})
    const act = (waitMs: number): Decision | Promise<Decision> =>
      waitMs > 0 ? limited(rateLimited(request, waitMs)) : go(() => limits.giveBack(asks))
    const waitMs = limits.take(asks)
    return typeof waitMs === 'number' ? act(waitMs) : waitMs.then(act, uncounted(request))
  }
}

/** What cannot be counted is not let through (protocol §5 rule 9). */
function uncounted(request: GateRequest): (error: unknown) => Decision {
  return (error) => {
    if (!isL402Error(error, 'store_unavailable')) throw error
    return storeUnavailable(request)
  }
}

function rateLimited(request: GateRequest, waitMs: number): Refused {
  const detail = 'more requests than are let through in this time; nothing was used'
  return tooManyAnswer(request, 'rate_limited', detail, Math.ceil(waitMs / 1000))
}
