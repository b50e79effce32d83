/** Settles what an admitted request holds, as far as anybody will ever know how it ended, and lets it go on. */

import { type Entitlement, linesForStatus, type RouteTerms } from '@turnpike/l402/server'
import type { Admitted, AskedReply } from '../proxy/index.ts'
import type { Outcomes } from './outcomes.ts'

/** How requests are let go. */
export interface AdmitOptions {
  readonly reply: AskedReply
  /** Where the proxy tells how it ended; `undefined`: it does not, and the use counts at once. */
  readonly outcomes?: Outcomes | undefined
  /** Told when the books fail. */
  readonly fault: (code: string, error: unknown, route: RouteTerms) => void
  /** What else the proxy is to do, once it is sure that the request goes on. */
  readonly passing?: (admitted: Admitted) => void
}

/** Never throws. Nothing passes that the books have not taken. */
export async function admit(admitted: Admitted, options: AdmitOptions): Promise<void> {
  const { visit, head, route, entitlement } = admitted
  const { reply, outcomes, fault, passing } = options
  if (entitlement === null) {
    passing?.(admitted)
    reply.pass([])
    return
  }
  try {
    await entitlement.serve()
  } catch (error) {
    void entitlement.release()
    fault('store_unavailable', error, route.terms)
    visit.code = 'store_unavailable'
    if (visit.closed) return
    visit.outcome = 'answered'
    visit.answer(
      { code: 'store_unavailable', detail: 'the books cannot be written right now; nothing was used' },
      head,
    )
    return
  }
  if (visit.closed) {
    // Nobody waits for the answer, so nothing is served.
    void entitlement.release()
    return
  }
  const lines = passLines(entitlement)
  if (entitlement.counted && outcomes !== undefined)
    lines.push('X-L402-Outcome-Id', outcomes.hold(entitlement))
  // From `serve` on a crash counts the use, so the proxy need not wait for this.
  else void entitlement.commit()
  passing?.(admitted)
  reply.pass(lines)
}

/** Who paid, for the upstream, and what is left, for the client. */
function passLines({ tokenId, paymentHash, service, freebie, answerHeaders }: Entitlement): string[] {
  // The status is not known here, and a receipt stands beside 2xx only.
  const left = linesForStatus(answerHeaders, 0)
  if (freebie === true) return [...left]
  return [
    ...['X-L402-Token-Id', tokenId, 'X-L402-Service', service, 'X-L402-Payment-Hash', paymentHash],
    ...left,
  ]
}
