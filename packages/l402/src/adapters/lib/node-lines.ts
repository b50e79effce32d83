import type { ServerResponse } from 'node:http'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { WholeAnswer } from '../../server/whole-answer.ts'

const ALLOW_ORIGIN = 'access-control-allow-origin'
const EXPOSE = 'access-control-expose-headers'

/** Lines for the answer, which a page may read where the answer lets it read anything (rule S5). */
export function addLines(res: ServerResponse, lines: HeaderLines): void {
  const readable = res.hasHeader(ALLOW_ORIGIN)
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    res.setHeader(name, lines[i + 1] as string)
    if (readable) expose(res, name)
  }
}

/** Sends what is answered in a handler's place. What CORS middleware has said already stays. */
export function sendAnswer(res: ServerResponse, { status, headers, body }: WholeAnswer): void {
  setLines(res, headers)
  res.statusCode = status
  if (body === null) res.end()
  else res.end(body)
}

/** The lines of such an answer on Node's response. */
export function setLines(res: ServerResponse, headers: HeaderLines): void {
  const said = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const lower = name.toLowerCase()
    if (lower === ALLOW_ORIGIN && res.hasHeader(name)) continue
    if (lower === EXPOSE) expose(res, headers[i + 1] as string)
    // Each challenge has a line of its own (rule S3): the second must not replace the first.
    else if (lower === 'set-cookie' || lower === 'vary' || said.has(lower))
      res.appendHeader(name, headers[i + 1] as string)
    else res.setHeader(name, headers[i + 1] as string)
    said.add(lower)
  }
}

/** What a handler gives to `writeHead`: an object, name and value in turn, or pairs. */
export function applyHead(res: ServerResponse, headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value)
    return
  }
  const flat: readonly unknown[] = Array.isArray(headers[0]) ? headers.flat() : headers
  for (let i = 0; i < flat.length; i += 2) res.removeHeader(String(flat[i]))
  for (let i = 0; i < flat.length; i += 2) res.appendHeader(String(flat[i]), flat[i + 1] as string)
}

/** All that is set so far: name, value, … */
export function linesOf(res: ServerResponse): HeaderLines {
  return Object.entries(res.getHeaders()).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((each) => [name, String(each)]),
  )
}

function expose(res: ServerResponse, names: string): void {
  const before = res.getHeader(EXPOSE)
  res.setHeader(EXPOSE, before === undefined ? names : `${String(before)}, ${names}`)
}
