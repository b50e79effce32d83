import type { RouteTerms } from '@turnpike/l402/server'
import { type OwnProblem, sendProblem } from './answers.ts'
import type { Admitted } from './asked.ts'
import { peerAddress } from './client-facts.ts'
import type { ClientAnswer, ClientRequest } from './client-side.ts'
import { makeLast } from './end-of-connection.ts'
import type { Exchange } from './exchange.ts'
import { discardBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'
import type { RequestTrace } from './tracer.ts'
import type { Upgrade } from './tunnel.ts'

/** What became of one request; for logs and metrics. Holds no header value and no query. */
export interface RequestRecord {
  readonly method: string
  /** Normalised; empty if the request was refused before that. */
  readonly path: string
  readonly clientAddress: string
  /** The route, where one matched. */
  readonly route: RouteTerms | undefined
  /** The status that was sent; 0 if the client left before. */
  readonly status: number
  /**
   * `proxied`: the upstream was asked. `admitted`: another proxy asks it. `refused`: by the gate. `answered`: by the gateway itself. `replayed`: the stored answer
   * of an earlier request.
   */
  readonly outcome: 'proxied' | 'admitted' | 'refused' | 'answered' | 'replayed'
  /** The gate's reason, or the code of the problem that was answered. */
  readonly code: string | undefined
  /** Whether a credential opened the route. */
  readonly paid: boolean
  /** Why a route in shadow would have refused it. */
  readonly shadow?: string
  /** Whether the answer went out whole. */
  readonly complete: boolean
  /** From the request's last header byte to the answer's last byte. */
  readonly durationMs: number
  /** From sending it on to the upstream's first byte; `undefined` without an answer of an upstream. */
  readonly upstreamMs: number | undefined
  /** Lower-case hex of the credential that opened the route. */
  readonly tokenId: string | undefined
}

/** One request on its way; what its record is made from. */
export class Visit {
  readonly req: ClientRequest
  readonly res: ClientAnswer
  readonly startedAt: number = performance.now()
  /** The address our connection is with. */
  readonly peer: string
  /** The client's, which is the peer's unless a trusted proxy says another. */
  clientAddress: string
  /** A client that offers to change the protocol. */
  readonly upgrade: Upgrade | undefined
  exchange: Exchange | undefined = undefined
  /** Takes over what may pass, where another proxy asks about the request and carries it itself. */
  admit: ((admitted: Admitted) => void) | undefined = undefined
  /** The answer is out, or the client gone. */
  closed = false
  path = ''
  route: RouteTerms | undefined = undefined
  outcome: RequestRecord['outcome'] = 'answered'
  code: string | undefined = undefined
  paid = false
  shadow: string | undefined = undefined
  tokenId: string | undefined = undefined
  trace: RequestTrace | undefined = undefined
  /** When it was sent on, and when the upstream's answer began; 0: not yet. */
  sentAt = 0
  answeredAt = 0
  #continued = false

  constructor(req: ClientRequest, res: ClientAnswer, upgrade: Upgrade | undefined) {
    this.req = req
    this.res = res
    this.upgrade = upgrade
    this.peer = req.peer ?? peerAddress(req.socket)
    this.clientAddress = this.peer
  }

  /** Answers with a problem of the gateway's own. */
  answer(problem: OwnProblem, head: RequestHead): void {
    this.code = problem.code
    this.leaveBody(head)
    sendProblem(this.res, problem, head)
  }

  /** Asks a client that waits for it to send the body. */
  wantBody(head: RequestHead): void {
    if (head.expect === undefined || this.#continued) return
    this.#continued = true
    this.res.writeContinue()
  }

  /** Answers 400; where this request ends is in doubt, so its connection carries no other. */
  answerBadHead(detail: string): void {
    this.code = 'bad_request'
    makeLast(this)
    sendProblem(this.res, { code: 'bad_request', detail })
  }

  /** A body that will not be read must not keep the answer from the client. */
  leaveBody(head: RequestHead): void {
    if (!head.hasBody) return
    // A client that waits for 100 Continue may send the body or not: nothing can follow on this connection.
    if (head.expect === undefined || this.#continued) discardBody(this.req)
    else makeLast(this)
  }

  record(): RequestRecord {
    const { req, res, path, clientAddress, route, outcome, code, paid, shadow } = this
    const { tokenId, sentAt, answeredAt } = this
    return {
      method: req.method ?? '',
      path,
      clientAddress,
      route,
      status: res.headersSent ? res.statusCode : 0,
      outcome,
      code,
      paid,
      ...(shadow === undefined ? {} : { shadow }),
      complete: res.writableFinished,
      durationMs: performance.now() - this.startedAt,
      upstreamMs: answeredAt === 0 ? undefined : answeredAt - sentAt,
      tokenId,
    }
  }
}
