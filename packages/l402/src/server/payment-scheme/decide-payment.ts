import type { Refusal } from '../../core/refusal.ts'
import type { Decision, GateRequest } from '../gate.ts'
import type { PresentedSession } from './present.ts'
import { asProblem, type PaymentScheme } from './scheme.ts'

type Decided = Decision | Promise<Decision>

/** What the gate does itself. */
interface OfTheGate {
  /** Decides on a request with an L402 credential. */
  decide(request: GateRequest): Decided
  /** Refuses, with a challenge where there can be one. */
  answer(request: GateRequest, refusal: Refusal): Decided
  /** Decides on a request with a session's action. */
  session(request: GateRequest, presented: PresentedSession): Decided
  readonly missing: Refusal
}

/** Decides on a request without an L402 credential: it may have one of the other scheme, the same in another envelope. */
export function paymentDecider(
  payment: PaymentScheme | undefined,
  ofTheGate: OfTheGate,
): (request: GateRequest) => Decided {
  const { decide, answer, missing } = ofTheGate
  return (request) => {
    const presented = payment?.present(request) ?? { state: 'none' }
    switch (presented.state) {
      case 'none':
        return answer(request, missing)
      case 'refused': {
        const { refusal, problem } = presented
        return after(answer(request, refusal), (decision) =>
          decision.outcome === 'refuse' ? asProblem(decision, problem) : decision,
        )
      }
      case 'session':
        return ofTheGate.session(request, presented)
      case 'unwrapped': {
        const { headers, challengeId } = presented
        return after(
          decide({ ...request, headers }),
          (decision) => payment?.answered(decision, challengeId) ?? decision,
        )
      }
    }
  }
}

/**
 * Decides on a request whose L402 credentials open nothing: one of the other scheme beside them may (V2: any valid one is
 * enough). `undefined` where there is none.
 */
export function paymentBesides(
  payment: PaymentScheme | undefined,
  request: GateRequest,
  { decide, session }: Pick<OfTheGate, 'decide' | 'session'>,
): Decided | undefined {
  const presented = payment?.present(request)
  if (presented?.state === 'session') return session(request, presented)
  if (payment === undefined || presented?.state !== 'unwrapped') return undefined
  const { headers, challengeId } = presented
  return after(decide({ ...request, headers }), (decision) =>
    decision.outcome === 'refuse' ? decision : payment.answered(decision, challengeId),
  )
}

/** What comes of a decision, whenever it comes. */
export function after(decision: Decided, then: (decision: Decision) => Decision): Decided {
  return 'then' in decision ? decision.then(then) : then(decision)
}
