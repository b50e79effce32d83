import type { ClientAnswer, ClientRequest } from './client-side.ts'

const ending = new WeakSet<object>()

/** The connection closes after this answer, and what is pipelined behind its request is not served. Nothing to HTTP/2. */
export function makeLast({ req, res }: { readonly req: ClientRequest; readonly res: ClientAnswer }): void {
  res.shouldKeepAlive = false
  if (req.httpVersion !== '2.0') ending.add(req.socket)
}

/** Whether no answer of this request could ever go out: one before it has closed the connection, or will (RFC 9112 §9.6). */
export function comesTooLate(req: ClientRequest, res: ClientAnswer): boolean {
  // Only a pipelined request's answer has no socket yet.
  return (res.socket === null || req.socket.writableEnded) && ending.has(req.socket)
}
