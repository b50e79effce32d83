/** Everything that a server made of this library answers in a handler's place, as plain data. */

import type { HeaderLines } from '../core/header-lines.ts'
import { headerValue } from './clear-request.ts'
import { addCorsLines, optionsLines } from './cors.ts'
import type { Refused, StoredAnswer } from './gate.ts'
import { problemBody } from './problem.ts'
import { REQUEST_PROBLEMS, type RequestProblemCode } from './request-problems.ts'

/** An answer, ready to go out. */
export interface WholeAnswer {
  readonly status: number
  /** Name, value, …; the L402 challenge first (rule S3). */
  readonly headers: HeaderLines
  /** `null` where the answer has none, to HEAD for one. */
  readonly body: string | Uint8Array | null
}

/** What of a request decides how it is answered. */
export interface Asked {
  readonly method: string
  readonly headers: HeaderLines
}

/** What the gate answers instead of the resource. */
export function refusalAnswer(asked: Asked, { status, headers, body }: Refused): WholeAnswer {
  return readable(asked, { status, headers, body })
}

/** What an earlier request under the same `Idempotency-Key` got. */
export function storedAnswer({ method }: Asked, { status, headers, body }: StoredAnswer): WholeAnswer {
  const empty = method === 'HEAD' || status === 204 || status === 304
  return { status, headers, body: empty ? null : body }
}

/** A request that is answered before any price is asked. */
export function problemAnswer(asked: Asked, code: RequestProblemCode, detail: string): WholeAnswer {
  const { status, title } = REQUEST_PROBLEMS[code]
  const headers = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']
  return readable(asked, { status, headers, body: problemBody({ status, code, title, detail }) })
}

/** OPTIONS is answered here: never charged, and never passed on to a handler that may not look at the method (S8). */
export function optionsAnswer({ headers }: Asked, methods: readonly string[] | 'any'): WholeAnswer {
  const preflight =
    headerValue(headers, 'access-control-request-method') === undefined
      ? undefined
      : (headerValue(headers, 'access-control-request-headers') ?? '')
  return { status: 204, headers: optionsLines(methods, preflight), body: null }
}

/** For a page of another origin too (rule S5), and without a body to HEAD. */
function readable(asked: Asked, { status, headers, body }: WholeAnswer): WholeAnswer {
  const lines = [...headers]
  if (headerValue(asked.headers, 'origin') !== undefined) addCorsLines(lines)
  return { status, headers: lines, body: asked.method === 'HEAD' ? null : body }
}
