/** A route's gate over Node's request and response. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isL402Error } from '../../core/errors.ts'
import { createAccess, type L402Access } from '../../server/access.ts'
import type { RouteGate } from '../../server/route-gates.ts'
import type { WholeAnswer } from '../../server/whole-answer.ts'
import { nodeBody } from './node-body.ts'
import { holdResponse } from './node-hold.ts'
import { baseOf, isGone } from './node-http2.ts'
import { holdConnection, isUpgrade, NO_BODY } from './node-upgrade.ts'

/** A request, and what a framework knows better about it. */
export interface NodeVisit {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** As it came, where the framework changes `req.url` on the way. */
  readonly target?: string
  readonly clientAddress?: string | undefined
  /** Scheme and authority, e.g. `https://api.example.com`. */
  readonly base?: string | undefined
}

/** The handler may run. */
export interface NodePass {
  readonly outcome: 'pass'
  /** `null` on a free route. */
  readonly access: L402Access | null
  /** For a handler that threw: gives the use back. Waits until the books have it. */
  fail(): Promise<void>
}

/** What is answered in its place. */
export interface NodeAnswer {
  readonly outcome: 'answer'
  readonly answer: WholeAnswer
}

const DONE = Promise.resolve()

/** Gates one request; where it passes, its response is watched and settled. */
export async function enterNode(gate: RouteGate, visit: NodeVisit): Promise<NodePass | NodeAnswer> {
  const { req, res } = visit
  const { method = 'GET', socket } = req
  const upgrade = isUpgrade(req)
  const entry = await gate.enter({
    method,
    target: visit.target ?? req.url ?? '/',
    headers: req.rawHeaders,
    clientAddress: visit.clientAddress ?? socket.remoteAddress ?? '',
    base: visit.base ?? baseOf(req),
    body: upgrade ? NO_BODY : nodeBody(req),
  })
  if (entry.outcome === 'answer') return entry
  const { entitlement } = entry
  if (entitlement === null) return { outcome: 'pass', access: null, fail: () => DONE }
  if (isGone(res)) {
    // The client is gone, and nothing has been done for it.
    await entitlement.release()
    return { outcome: 'answer', answer: entry.unavailable() }
  }
  try {
    // Before the handler: Node's answers cannot wait for the books, and what cannot be written must not be served (rule 9).
    await entitlement.serve()
  } catch (error) {
    void entitlement.release()
    if (!isL402Error(error, 'store_unavailable')) throw error
    return { outcome: 'answer', answer: entry.unavailable() }
  }
  const { access, metering } = createAccess(entitlement, gate.terms, method)
  if (upgrade) {
    const meter = metering?.meter ?? null
    return { outcome: 'pass', access, fail: holdConnection({ socket, entitlement, meter }) }
  }
  const watched = entitlement.counted || entitlement.answerHeaders.length > 0 || metering !== null
  const fail = watched ? holdResponse({ req, res, entitlement, metering }) : () => DONE
  return { outcome: 'pass', access, fail }
}
