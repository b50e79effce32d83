/** From a request whose route is known to a pass or an answer: the way that all servers of this library go. */

import { storeUnavailable } from './answers.ts'
import { DIGEST_BYTES, type Digests } from './content-digest.ts'
import type { Entitlement, Gate, GateRequest } from './gate.ts'
import type { Pricer } from './pricing/pricer.ts'
import { problemAnswer, refusalAnswer, storedAnswer, type WholeAnswer } from './whole-answer.ts'

/** What may have to be read of a request's body before its handler has it. Reading leaves the body unread. */
export interface BodySource {
  /** What a pricer is told besides the request's head. `query` with its `?`. */
  priced(query: string, pricer: Pricer): Promise<Pick<GateRequest, 'query' | 'bodyBytes' | 'bodyHead'>>
  /** `digestsOf` query and body; `null` for a body of more than `DIGEST_BYTES`. */
  digest(query: string): Promise<Digests | null>
  /** Whether its bytes could not be charged, since their number is not stated and will not be known; never, if left out. */
  uncounted?(): boolean | Promise<boolean>
}

/** A request and its route. */
export interface Matched
  extends Omit<GateRequest, 'contentDigest' | 'bodyDigest' | 'bodyBytes' | 'bodyHead' | 'query'> {
  /** With its `?`; empty without one. */
  readonly query: string
  readonly body: BodySource
}

/** The request may be served; `entitlement` is `null` on a free route. */
export interface Entered {
  readonly outcome: 'pass'
  readonly entitlement: Entitlement | null
  /** The 503 in the handler's place, where the books cannot be written (protocol §5 rule 9). */
  unavailable(): WholeAnswer
}

/** What is answered in the handler's place. */
export interface Answered {
  readonly outcome: 'answer'
  readonly answer: WholeAnswer
}

const LENGTH_EXPECTED =
  'expected Content-Length, since the bytes of the body are charged; nothing was charged'

/** Asks the gate. Never throws for what a client sent. */
export async function enter(gate: Gate, matched: Matched): Promise<Entered | Answered> {
  const { query, body } = matched
  const { pricer, charge } = matched.route
  // Before anything is sold or reserved: no byte that costs something goes by for nothing.
  if (charge?.requestByte !== undefined && (await body.uncounted?.()) === true)
    return answered(problemAnswer(matched, 'length_required', LENGTH_EXPECTED))
  // As it is where nothing is asked of it: this is on the way of every request.
  const asked: GateRequest =
    pricer === undefined ? matched : { ...matched, ...(await body.priced(query, pricer)) }
  const digests = gate.wantsDigest(asked) ? await body.digest(query) : undefined
  if (digests === null)
    return answered(problemAnswer(asked, 'body_too_large', `expected at most ${DIGEST_BYTES} bytes`))
  const decision = await gate.decide(digests === undefined ? asked : { ...asked, ...digests })
  if (decision.outcome === 'refuse') return answered(refusalAnswer(asked, decision))
  if (decision.outcome === 'replay') return answered(storedAnswer(asked, decision.answer))
  return {
    outcome: 'pass',
    entitlement: decision.entitlement,
    unavailable: () => refusalAnswer(asked, storeUnavailable(asked)),
  }
}

/** What is answered before the gate is asked. */
export function answered(answer: WholeAnswer): Answered {
  return { outcome: 'answer', answer }
}
