/** Orders about a session, `topUp` and `close`: they end in the gate, whatever the route, and use nothing of it. */

import { refuse } from '../../../core/refusal.ts'
import type { Decision, GateRequest, Pass, Refused } from '../../gate.ts'
import type { PresentedSession } from '../present.ts'
import type { PaymentScheme } from '../scheme.ts'
import { refuseAs, type SessionGate } from './decide-session.ts'

type Decided = Decision | Promise<Decision>

/** What the gate does itself. */
interface OrderGate extends Pick<SessionGate, 'sell'> {
  /** The request as its route prices it; or what it gets instead, which has no price. */
  bind(request: GateRequest): GateRequest | Pass | Refused
  /** Decides on a request with a session's action. */
  session(request: GateRequest, presented: PresentedSession): Decided
}

/** Decides on requests of which `PaymentScheme.orders` is true: never a pass, so that no resource sees one. */
export function orderDecider(
  payment: Pick<PaymentScheme, 'present'> | undefined,
  gate: OrderGate,
): (request: GateRequest) => Decided {
  return (asked) => {
    const request = sold(asked, gate)
    const presented = payment?.present(request)
    switch (presented?.state) {
      case 'session':
        return gate.session(request, presented)
      case 'refused':
        return refuseAs(request, presented, gate)
      default:
        return refuseAs(request, NO_ORDER, gate)
    }
  }
}

/** A refused order is answered with a challenge where its route sells something; else with none. */
function sold(asked: GateRequest, { bind }: OrderGate): GateRequest {
  const bound = bind(asked)
  if (!('outcome' in bound) && !bound.route.free) return bound
  return { ...asked, route: { ...asked.route, skipInvoice: true } }
}

const NO_ORDER = {
  refusal: refuse('malformed', 'expected one order about one session'),
  problem: 'lightning/malformed-credential',
} as const
