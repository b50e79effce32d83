/** One request as a line of the access log. Never holds a query, a credential, a cookie or a body. */

import type { RequestSummary } from '../log.ts'

/** What the access log says of a request. */
export interface AccessEntry extends RequestSummary {
  /** When it was over, in milliseconds since 1970. */
  readonly atMs: number
  /** `1.1`, `2.0`. */
  readonly httpVersion: string
  /** Bytes of the answer's body; `undefined` where it is not known. */
  readonly bodyBytes: number | undefined
  /** The `Referer` line as it came; logged without user name, query and fragment. */
  readonly referer: string | undefined
  readonly userAgent: string | undefined
  /** Lower-case hex, where the request is traced. */
  readonly traceId: string | undefined
}

/** Most characters of a path, and of the two header fields: a line stays below 4 KiB, which a pipe takes in one piece. */
const PATH_MOST = 1_500
const FIELD_MOST = 700

/** A JSON object and a line end. */
export function jsonLine(entry: AccessEntry): string {
  return `${JSON.stringify({
    time: new Date(entry.atMs).toISOString(),
    client: entry.clientAddress,
    method: clip(entry.method, 32),
    path: clip(entry.path, PATH_MOST / 2),
    protocol: `HTTP/${entry.httpVersion}`,
    status: entry.status,
    bytes: entry.bodyBytes,
    ms: Math.round(entry.durationMs * 10) / 10,
    service: entry.service,
    route: entry.route,
    outcome: entry.outcome,
    reason: entry.reason,
    tokenId: entry.tokenId?.slice(0, 8),
    referer: entry.referer === undefined ? undefined : clip(plainReferer(entry.referer), FIELD_MOST / 2),
    userAgent: entry.userAgent === undefined ? undefined : clip(entry.userAgent, FIELD_MOST / 2),
    traceId: entry.traceId,
  })}\n`
}

/** The combined form of nginx and Apache, in UTC, its bytes escaped as nginx does it. */
export function combinedLine(entry: AccessEntry): string {
  const { clientAddress, atMs, method, path, httpVersion, status, bodyBytes, referer, userAgent } = entry
  const request = `${escaped(method, 32)} ${escaped(path === '' ? '-' : path, PATH_MOST)} HTTP/${httpVersion}`
  const from = referer === undefined ? '-' : escaped(plainReferer(referer), FIELD_MOST)
  const agent = userAgent === undefined ? '-' : escaped(userAgent, FIELD_MOST)
  const bytes = bodyBytes === undefined ? '-' : bodyBytes
  return `${clientAddress || '-'} - - [${commonTime(atMs)}] "${request}" ${status || 499} ${bytes} "${from}" "${agent}"\n`
}

function clip(text: string, most: number): string {
  return text.length > most ? text.slice(0, most) : text
}

/** A page's address without what may be secret in it. */
function plainReferer(value: string): string {
  const end = value.search(/[?#]/)
  return (end < 0 ? value : value.slice(0, end)).replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1')
}

/** Printable ASCII stays, but for quotes and backslashes; the rest is `\xHH`. */
function escaped(text: string, most: number): string {
  const plain = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(text)
    ? text
    : text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, hex)
  return clip(plain, most)
}

function hex(character: string): string {
  return [...Buffer.from(character, 'latin1')]
    .map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
let shownSecond = -1
let shownTime = ''

/** `27/Nov/2026:23:34:01 +0000`; made once a second. */
function commonTime(atMs: number): string {
  const second = Math.floor(atMs / 1000)
  if (second === shownSecond) return shownTime
  const date = new Date(atMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  shownSecond = second
  shownTime = `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
  return shownTime
}
