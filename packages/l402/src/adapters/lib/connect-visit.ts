/** A call of Connect, gRPC or gRPC-Web as the gate sees it, and what is answered in its place. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2'
import type { RouteGate } from '../../server/route-gates.ts'
import type { WholeAnswer } from '../../server/whole-answer.ts'
import { baseOf } from './node-http2.ts'
import { sendAnswer } from './node-lines.ts'
import { CALL_BODY } from './rpc-call.ts'

/** Of either version of HTTP. */
export type ConnectRequest = IncomingMessage | Http2ServerRequest
/** Of either version of HTTP. */
export type ConnectResponse = ServerResponse | Http2ServerResponse

type Visit = Parameters<RouteGate['enter']>[0]

/** What the gate is asked. */
export function visitOf(req: ConnectRequest): Visit {
  const { socket, rawHeaders } = req
  const headers: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    const value = rawHeaders[i + 1] as string
    // Nothing is kept of calls. And a gRPC-Web client is a browser's: it reads 402 as any page does, and no trailers.
    if (name === 'idempotency-key') continue
    if (name === 'content-type' && value.toLowerCase().startsWith('application/grpc-web')) continue
    headers.push(name, value)
  }
  return {
    method: req.method ?? 'POST',
    target: req.url ?? '/',
    headers,
    clientAddress: socket.remoteAddress ?? '',
    base: baseOf(req),
    body: CALL_BODY,
  }
}

/** Sends it: to gRPC over HTTP/2 in one HEADERS frame with END_STREAM (protocol §1). */
export function refuseCall(res: ConnectResponse, answer: WholeAnswer): void {
  if (!('stream' in res)) sendAnswer(res, answer)
  else if (!res.stream.destroyed && !res.stream.headersSent) respond(res.stream, answer)
}

function respond(stream: ServerHttp2Stream, { status, headers: lines, body }: WholeAnswer): void {
  const headers: Record<string, string | string[]> = {}
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    const value = lines[i + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  const head: OutgoingHttpHeaders = { ':status': status, ...headers }
  const empty = body === null || body.length === 0
  stream.respond(head, { endStream: empty })
  if (!empty) stream.end(body)
}
