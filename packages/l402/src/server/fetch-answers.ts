/** Answers as fetch's `Response`s. */

import type { HeaderLines } from '../core/header-lines.ts'
import { linesForStatus } from './payment-scheme/receipt-lines.ts'
import type { WholeAnswer } from './whole-answer.ts'

/** The answer as a `Response`. */
export function answerResponse({ status, headers, body }: WholeAnswer): Response {
  const lines = new Headers()
  for (const [name, value] of pairs(headers)) lines.append(name, value)
  return new Response(typeof body === 'string' || body === null ? body : new Uint8Array(body), {
    status,
    headers: lines,
  })
}

/**
 * The answer with further header lines, which a page may read where the answer lets it read anything (rule S5), and with
 * another body where one is given. As it is where a copy cannot be made, of an upgrade for one.
 */
export function withLines(
  response: Response,
  lines: HeaderLines,
  { body }: { readonly body?: BodyInit } = {},
): Response {
  if ((lines.length === 0 && body === undefined) || response.status < 200) return response
  const { status, statusText } = response
  // Not by the response itself: servers on Node know a response that is made of its parts, and send it in one piece.
  const headers = new Headers(response.headers)
  for (const [name, value] of pairs(linesForStatus(lines, response.status))) {
    if (name === 'Cache-Control') headers.set(name, value)
    else headers.append(name, value)
    if (headers.has('access-control-allow-origin')) headers.append('access-control-expose-headers', name)
  }
  return new Response(body ?? response.body, { status, statusText, headers })
}

/** The header lines of a message. */
export function headerLines(headers: Headers): HeaderLines {
  const lines: string[] = []
  for (const [name, value] of headers) lines.push(name, value)
  return lines
}

function* pairs(lines: HeaderLines): Iterable<readonly [name: string, value: string]> {
  for (let i = 0; i < lines.length; i += 2) yield [lines[i] as string, lines[i + 1] as string]
}
