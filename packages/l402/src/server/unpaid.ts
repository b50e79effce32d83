/** What a request gets that no credential opens: one of its client's freebies, or a challenge. */

import { unsoldAnswer } from './answers.ts'
import type { Demand } from './demand.ts'
import type { Denial } from './denial.ts'
import type { Decision, GateRequest, Refused } from './gate.ts'
import type { Freebies } from './limits/freebies.ts'
import { asksOf, unpaidAsksOf } from './limits/rate-rules.ts'
import type { Throttle } from './limits/throttle.ts'

/** What {@link createUnpaid} works with. */
interface UnpaidOptions {
  readonly throttle: Throttle
  readonly freebies: Freebies
  readonly demand: Demand
  /** The answer to a fault of the books; throws every other one. */
  booksDown(request: GateRequest, error: unknown): Refused
}

/** Answers a request that no credential opens. */
type Unpaid = (request: GateRequest, denial: Denial) => Decision | Promise<Decision>

/** See {@link Unpaid}. */
export function createUnpaid({ throttle, freebies, demand, booksDown }: UnpaidOptions): Unpaid {
  return (request, denial) => {
    if (denial.later !== undefined) return denial.later
    if (request.held === true) return unsoldAnswer(request, denial.refusal)
    const { freebie, limits: rules = [] } = request.route
    const unpaid = (): Decision | Promise<Decision> =>
      throttle(request, unpaidAsksOf(rules, request), () => demand(request, denial))
    if (freebie === undefined) return unpaid()
    // The rates first: a request they refuse uses no freebie up.
    return throttle(request, asksOf(rules, request, undefined), (undo) =>
      freebies(request, freebie).then(
        (pass) => {
          if (pass !== null) return pass
          undo()
          return unpaid()
        },
        (error: unknown) => {
          undo()
          return booksDown(request, error)
        },
      ),
    )
  }
}
