import { STATUS_CODES } from 'node:http'
import { problemBody, REASONS, type Refused, type StoredAnswer } from '@turnpike/l402/server'
import type { ClientAnswer } from './client-side.ts'
import { type CrossOrigin, shareAnswer } from './cross-origin.ts'
import { grpcStatusLines, grpcStatusOf } from './grpc.ts'
import { PROBLEMS, type ProblemCode } from './problem-table.ts'

/** An answer of the gateway's own that is not the gate's. */
export interface OwnProblem {
  /** `code` of the problem body; decides status and title. */
  readonly code: ProblemCode | 'store_unavailable'
  /** One sentence about this occurrence. Never a secret. */
  readonly detail: string
  /** Further header lines: name, value, … */
  readonly lines?: readonly string[]
}

/** How an answer goes out. */
export interface AnswerManner {
  /** The request asks across origins, so the page must be able to read the answer. */
  readonly crossOrigin?: CrossOrigin
  /** The request is gRPC's, so the answer is too (protocol §1). */
  readonly grpc?: boolean
}

/** Sends a problem as `application/problem+json` (RFC 9457). */
export function sendProblem(res: ClientAnswer, problem: OwnProblem, manner: AnswerManner = {}): void {
  const rest = ['Cache-Control', 'no-store', ...(problem.lines ?? [])]
  if (manner.grpc === true) {
    const { status } = entryOf(problem)
    send(res, 200, [...grpcStatusLines(grpcStatusOf(status), problem.detail), ...rest], '', manner)
    return
  }
  const lines = ['Content-Type', 'application/problem+json', ...rest]
  send(res, entryOf(problem).status, lines, problemText(problem), manner)
}

/** Sends what the gate decided, as it decided it. */
export function sendRefused(res: ClientAnswer, refused: Refused, manner: AnswerManner): void {
  send(res, refused.status, [...refused.headers], refused.body, manner)
}

/** Sends what an earlier request under the same `Idempotency-Key` got (protocol §5 rule 10). */
export function sendStored(
  res: ClientAnswer,
  { status, headers, body }: StoredAnswer,
  manner: AnswerManner,
): void {
  send(res, status, [...headers], body, manner)
}

/** Sends a JSON document that is about this request alone. */
export function sendJson(res: ClientAnswer, body: unknown, manner: AnswerManner): void {
  const lines = ['Content-Type', 'application/json', 'Cache-Control', 'no-store']
  send(res, 200, lines, `${JSON.stringify(body)}\n`, manner)
}

/** Sends a document that caches may keep for a while. */
export function sendDocument(
  res: ClientAnswer,
  { type, text, link }: { readonly type: string; readonly text: string; readonly link?: string },
  manner: AnswerManner,
): void {
  const links = link === undefined ? [] : ['Link', link]
  send(res, 200, ['Content-Type', type, 'Cache-Control', 'max-age=300', ...links], text, manner)
}

/** Sends 204 with these lines. */
export function sendNothing(res: ClientAnswer, lines: readonly string[]): void {
  res.writeHead(204, [...lines])
  res.end()
}

function send(
  res: ClientAnswer,
  status: number,
  lines: string[],
  content: string | Uint8Array,
  manner: AnswerManner,
): void {
  if (manner.crossOrigin !== undefined) shareAnswer(lines, manner.crossOrigin)
  const body = Buffer.from(content)
  // Over HTTP/2 an answer without a body says so by its first frame.
  if (body.length > 0 || res.req.httpVersion !== '2.0') lines.push('Content-Length', String(body.length))
  res.writeHead(status, lines)
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

/** A whole answer as text, for a connection that has no request to answer; the connection closes after it. */
export function rawProblem(problem: OwnProblem): string {
  const text = problemText(problem)
  const lines = [
    ...['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store'],
    ...(problem.lines ?? []),
    ...['Content-Length', String(Buffer.byteLength(text)), 'Connection', 'close'],
  ]
  const { status } = entryOf(problem)
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < lines.length; i += 2) head += `${lines[i]}: ${lines[i + 1]}\r\n`
  return `${head}\r\n${text}`
}

function problemText(problem: OwnProblem): string {
  const { code, detail } = problem
  const { status, title } = entryOf(problem)
  return problemBody({ status, code, title, detail })
}

function entryOf({ code }: OwnProblem): { readonly status: number; readonly title: string } {
  return code === 'store_unavailable' ? REASONS[code] : PROBLEMS[code]
}
