/** The paywall's answers as fetch's `Response`s. */

import type { HeaderLines } from '../core/header-lines.ts'
import { addCorsLines, optionsLines } from './cors.ts'
import type { Refused, StoredAnswer } from './gate.ts'
import { problemBody } from './problem.ts'
import { REQUEST_PROBLEMS, type RequestProblemCode } from './request-problems.ts'

/** What the gate answers instead of the resource. */
export function refusalResponse(request: Request, { status, headers, body }: Refused): Response {
  return respond(request, status, { lines: headers, body })
}

/** What an earlier request under the same `Idempotency-Key` got. */
export function storedResponse(request: Request, { status, headers, body }: StoredAnswer): Response {
  const empty = request.method === 'HEAD' || status === 204 || status === 304
  return new Response(empty ? null : new Uint8Array(body), { status, headers: headersOf(headers) })
}

/** A request that is answered before any price is asked. */
export function problemResponse(request: Request, code: RequestProblemCode, detail: string): Response {
  const { status, title } = REQUEST_PROBLEMS[code]
  const lines = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']
  return respond(request, status, { lines, body: problemBody({ status, code, title, detail }) })
}

/** OPTIONS is answered here: never charged, and never passed on to a handler that may not look at the method (S8). */
export function optionsResponse(request: Request, methods: readonly string[] | 'any'): Response {
  const preflight = request.headers.has('access-control-request-method')
    ? (request.headers.get('access-control-request-headers') ?? '')
    : undefined
  return new Response(null, { status: 204, headers: headersOf(optionsLines(methods, preflight)) })
}

/**
 * The answer with further header lines, which a page may read where the answer lets it read anything (rule S5). As it is
 * where a copy cannot be made, of an upgrade for one.
 */
export function withLines(response: Response, lines: HeaderLines): Response {
  if (lines.length === 0 || response.status < 200) return response
  const answer = new Response(response.body, response)
  const { headers } = answer
  for (const [name, value] of pairs(lines)) {
    headers.append(name, value)
    if (headers.has('access-control-allow-origin')) headers.append('access-control-expose-headers', name)
  }
  return answer
}

function respond(
  request: Request,
  status: number,
  { lines, body }: { lines: HeaderLines; body: string },
): Response {
  const all = [...lines]
  if (request.headers.has('origin')) addCorsLines(all) // rule S5
  return new Response(request.method === 'HEAD' ? null : body, { status, headers: headersOf(all) })
}

function headersOf(lines: HeaderLines): Headers {
  const headers = new Headers()
  for (const [name, value] of pairs(lines)) headers.append(name, value)
  return headers
}

function* pairs(lines: HeaderLines): Iterable<readonly [name: string, value: string]> {
  for (let i = 0; i < lines.length; i += 2) yield [lines[i] as string, lines[i + 1] as string]
}
