import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { RouteTerms } from '@turnpike/l402/server'
import { type OwnProblem, sendProblem } from './answers.ts'
import type { Exchange } from './exchange.ts'
import { discardBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'

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
  /** `proxied`: the upstream was asked. `refused`: by the gate. `answered`: by the gateway itself. */
  readonly outcome: 'proxied' | 'refused' | 'answered'
  /** The gate's reason, or the code of the problem that was answered. */
  readonly code: string | undefined
  /** Whether a credential opened the route. */
  readonly paid: boolean
  /** Whether the answer went out whole. */
  readonly complete: boolean
  /** From the request's last header byte to the answer's last byte. */
  readonly durationMs: number
}

/** One request on its way; what its record is made from. */
export class Visit {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly startedAt: number = performance.now()
  /** Taken at once: a closed socket has none. */
  readonly clientAddress: string
  exchange: Exchange | undefined = undefined
  /** The answer is out, or the client gone. */
  closed = false
  path = ''
  route: RouteTerms | undefined = undefined
  outcome: RequestRecord['outcome'] = 'answered'
  code: string | undefined = undefined
  paid = false

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.req = req
    this.res = res
    this.clientAddress = addressOf(req.socket)
  }

  /** Answers with a problem of the gateway's own. */
  answer(problem: OwnProblem, head: RequestHead): void {
    this.code = problem.code
    this.leaveBody(head)
    sendProblem(this.res, problem, head)
  }

  /** Answers 400; where this request ends is in doubt, so its connection carries no other. */
  answerBadHead(detail: string): void {
    this.code = 'bad_request'
    this.res.shouldKeepAlive = false
    sendProblem(this.res, { code: 'bad_request', detail })
  }

  /** A body that will not be read must not keep the answer from the client. */
  leaveBody(head: RequestHead): void {
    if (!head.hasBody) return
    // A client that waits for 100 Continue may send the body or not: nothing can follow on this connection.
    if (head.expect === undefined) discardBody(this.req)
    else this.res.shouldKeepAlive = false
  }

  record(): RequestRecord {
    const { req, res, path, clientAddress, route, outcome, code, paid } = this
    return {
      method: req.method ?? '',
      path,
      clientAddress,
      route,
      status: res.headersSent ? res.statusCode : 0,
      outcome,
      code,
      paid,
      complete: res.writableFinished,
      durationMs: performance.now() - this.startedAt,
    }
  }
}

function addressOf(socket: Socket): string {
  const address = socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
