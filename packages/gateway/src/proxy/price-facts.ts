import type { GateRequest } from '@turnpike/l402/server'
import type { RequestHead } from './request-head.ts'

/** What a pricer is told besides the head; nothing is made where the route has none. */
export function withPriceFacts(request: GateRequest, head: RequestHead, query: string): GateRequest {
  if (request.route.pricer === undefined) return request
  // A body's length is what `Content-Length` says, or not known; the gate reads it.
  return head.hasBody ? { ...request, query } : { ...request, query, bodyBytes: 0 }
}
