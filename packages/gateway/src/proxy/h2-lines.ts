/** Header lines between the flat form that the gateway works on and the objects that `node:http2` takes. */

import { type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2'
import type { HeaderLines } from '@turnpike/l402'

// Never in a compression table that other requests of the connection share (RFC 7541 §7.1.3).
const SENSITIVE = ['authorization', 'cookie', 'macaroon', 'grpc-metadata-macaroon', 'token', 'set-cookie']

/** The lines as one object: names in lower case, several lines of a name as a list, in their order. */
export function h2Headers(lines: HeaderLines): OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] } {
  const out: OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] } = Object.create(null)
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    const value = lines[i + 1] ?? ''
    const before = out[name]
    if (before === undefined) out[name] = value
    else if (Array.isArray(before)) before.push(value)
    else out[name] = [String(before), value]
  }
  out[sensitiveHeaders] = SENSITIVE
  return out
}

/** The same for a request, where a field that comes twice is one line of its values (RFC 9110 §5.3). */
export function h2RequestHeaders(lines: HeaderLines): ReturnType<typeof h2Headers> {
  const out = h2Headers(lines)
  for (const [name, value] of Object.entries(out))
    if (Array.isArray(value)) out[name] = value.join(name === 'cookie' ? '; ' : ', ')
  return out
}

/** The lines of a request as HTTP/1.1 would have them: `Host` for `:authority`, one `Cookie`, no pseudo fields. */
export function requestLines(raw: readonly string[]): string[] {
  const lines: string[] = []
  let authority: string | undefined
  let cookieAt = -1
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (name === ':authority') {
      authority = value
      lines.push('host', value)
    } else if (name.startsWith(':')) continue
    else if (name === 'host' && authority !== undefined) {
      // Two that differ are refused like two `Host` lines.
      if (value.toLowerCase() !== authority.toLowerCase()) lines.push(name, value)
    } else if (name === 'cookie' && cookieAt >= 0) lines[cookieAt] += `; ${value}`
    else {
      if (name === 'cookie') cookieAt = lines.length + 1
      lines.push(name, value)
    }
  }
  return lines
}

/** `headers` as `node:http2` hands them over, flat; for where it does not hand over the lines as they came. */
export function flatLines(headers: NodeJS.Dict<number | string | string[]>): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().flatMap((each) => [name, String(each)]),
  )
}
