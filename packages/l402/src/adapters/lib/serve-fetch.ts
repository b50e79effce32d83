/** A route's gate over fetch's `Request` and `Response`. */

import { createAccess, type L402Access } from '../../server/access.ts'
import { publicTarget } from '../../server/base-path.ts'
import { answerResponse, headerLines } from '../../server/fetch-answers.ts'
import { fetchBody } from '../../server/fetch-body.ts'
import type { Entitlement } from '../../server/gate.ts'
import type { RouteGate } from '../../server/route-gates.ts'
import { serveHeld } from '../../server/serve-held.ts'

/** What a `Request` does not carry. */
export interface FetchVisit {
  readonly request: Request
  readonly clientAddress: string
  /** Scheme and authority that the client asked for, `null` where they are not known; those of the request if left out. */
  readonly base?: string | null
  /** What clients say before the path that the request has; nothing if left out. */
  readonly basePath?: string | undefined
  /** What the gate reads, where that is not all that the request has. */
  readonly headers?: Headers
  /** Asked when the handler has answered: whether it failed although it answers below 500. */
  readonly failed?: () => boolean
  /** Told before the handler runs. */
  readonly passed?: (entitlement: Entitlement) => void
}

/** What runs behind the gate; `access` is `null` on a free route. */
export type PaidHandler = (access: L402Access | null) => Response | Promise<Response>

/** Gates one request and settles what its handler comes to. The handler's errors are its caller's. */
export async function serveFetch(
  gate: RouteGate,
  visit: FetchVisit,
  handler: PaidHandler,
): Promise<Response> {
  const { request, clientAddress, headers = request.headers, passed, failed = () => false } = visit
  const { method, url } = request
  const slash = url.indexOf('/', url.indexOf('://') + 3)
  const { base = slash < 0 ? url : url.slice(0, slash) } = visit
  const entry = await gate.enter({
    method,
    // Not read again: what the router has matched is this very text, below one base path for all of them.
    target: publicTarget(targetOf(url, slash), visit.basePath),
    headers: headerLines(headers),
    clientAddress,
    base: base ?? undefined,
    body: fetchBody(request),
  })
  if (entry.outcome === 'answer') return answerResponse(entry.answer)
  const { entitlement } = entry
  if (entitlement === null) return handler(null)
  passed?.(entitlement)
  const { access, metering } = createAccess(entitlement, gate.terms, method)
  return serveHeld(() => handler(access), {
    request,
    route: gate.terms,
    entitlement,
    metering,
    failed,
    untilSent: true,
    unavailable: () => answerResponse(entry.unavailable()),
  })
}

/** Without a fragment, which no server gets but a `Request` may hold. */
function targetOf(url: string, slash: number): string {
  if (slash < 0) return '/'
  const hash = url.indexOf('#', slash)
  return url.slice(slash, hash < 0 ? url.length : hash)
}
