/**
 * One reading of a request target. What this module answers is what routes match, caveats bind, prices are looked
 * up for and upstreams receive, so that no reader further on can find another resource in it.
 */

import { hexDigit } from '../core/bytes.ts'

/** How {@link normaliseTarget} reads. */
export interface TargetOptions {
  /** Keeps `%2F` inside a segment, for a route that asks for it by name. Default false: refused. */
  readonly allowEncodedSlash?: boolean
}

/** A target that has one reading. */
export interface Target {
  readonly ok: true
  /** Starts with `/`; no dot segments, no empty segments, percent triplets only where needed and in upper case. */
  readonly path: string
  /** With its `?`, exactly as it came; empty without one. */
  readonly query: string
  /** Host and port of an absolute-form target, in lower case. */
  readonly authority?: string
}

/** A target that is refused with 400. */
export interface BadTarget {
  readonly ok: false
  /** One sentence for a person. Never holds the target. */
  readonly detail: string
}

const SLASH = 0x2f
const PERCENT = 0x25
const DOT = 0x2e
const SEMICOLON = 0x3b
const QUESTION = 0x3f

// Per character: what a path may hold as it is (RFC 3986 pchar without '%'), what is always encoded, what is refused.
const PLAIN = 1
const ENCODE = 2
const pathClass: Uint8Array = classes(PLAIN, "-._~!$&'()*+,;=:@", ENCODE, '"<>^`{|}[]')

/**
 * Reads a request target (RFC 9112 §3.2) in the one way everything behind it must agree on.
 *
 * Dot segments are resolved, raw or encoded, never above the root; empty segments collapse; unreserved characters are
 * decoded; characters that no path may hold are encoded. Refused: `%2F`, `%5C`, backslashes, controls and anything
 * outside ASCII, bad percent triplets, `#`, and segments that a reader who cuts off `;parameters`, or decodes once more
 * and parses again, would take for a dot segment, an empty one or several.
 */
export function normaliseTarget(rawTarget: string, options: TargetOptions = {}): Target | BadTarget {
  if (rawTarget.charCodeAt(0) === SLASH) return readOriginForm(rawTarget, options.allowEncodedSlash === true)
  const absolute = /^https?:\/\/([^/?#\\]*)(.*)$/i.exec(rawTarget)
  const authority = absolute?.[1]?.toLowerCase()
  if (authority === undefined || !isAuthority(authority)) {
    return bad('the request target must be a path, or an http or https URL of this host')
  }
  const rest = absolute?.[2] ?? ''
  const target = readOriginForm(
    rest.charCodeAt(0) === SLASH ? rest : `/${rest}`,
    options.allowEncodedSlash === true,
  )
  return target.ok ? { ...target, authority } : target
}

/** Whether `text` is a host (name, IPv4, bracketed IPv6) with an optional port, in lower case. */
export function isAuthority(text: string): boolean {
  return /^(?:[a-z0-9._~!$&'()*+,;=-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.test(text)
}

function readOriginForm(text: string, allowEncodedSlash: boolean): Target | BadTarget {
  const end = cleanPathEnd(text)
  if (end === text.length) return { ok: true, path: text, query: '' }
  const question = text.indexOf('?')
  const queryStart = question < 0 ? text.length : question
  const fault = queryFault(text, queryStart)
  if (fault !== undefined) return bad(fault)
  const query = text.slice(queryStart)
  if (end === queryStart) return { ok: true, path: text.slice(0, end), query }
  const path = rewritePath(text.slice(0, queryStart), allowEncodedSlash)
  return typeof path === 'string' ? { ok: true, path, query } : path
}

/** How far the path is already in normal form: its end if all of it is. The common case, one scan, nothing made. */
function cleanPathEnd(text: string): number {
  let previous = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUESTION) return i
    // A '.' or ';' that starts a segment may be a dot or empty segment: leave it to the slow reading.
    if (previous === SLASH && (code === SLASH || code === DOT || code === SEMICOLON)) return -1
    if (code !== SLASH && pathClass[code] !== PLAIN) return -1
    previous = code
  }
  return text.length
}

function queryFault(text: string, from: number): string | undefined {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f) return 'the query holds a character that must be percent-encoded'
    if (code === 0x23) return "the request target holds a '#'"
  }
  return undefined
}

function rewritePath(path: string, allowEncodedSlash: boolean): string | BadTarget {
  const segments: string[] = []
  const rawSegments = path.split('/')
  let trailingSlash = false
  for (let i = 1; i < rawSegments.length; i++) {
    const segment = rewriteSegment(rawSegments[i] ?? '')
    if (typeof segment !== 'string') return segment
    trailingSlash = segment === '' || segment === '.' || segment === '..'
    if (segment === '..') segments.pop()
    if (trailingSlash) continue
    const fault = generousFault(segment, allowEncodedSlash)
    if (fault !== undefined) return bad(fault)
    segments.push(segment)
  }
  if (segments.length === 0) return '/'
  return `/${segments.join('/')}${trailingSlash ? '/' : ''}`
}

/** Unreserved triplets decoded, others in upper case, characters no path may hold encoded. */
function rewriteSegment(segment: string): string | BadTarget {
  let out = ''
  for (let i = 0; i < segment.length; i++) {
    const code = segment.charCodeAt(i)
    if (code === PERCENT) {
      const byte = hexByte(segment, i + 1)
      if (byte === undefined) return bad('the path holds a percent sign without two hex digits after it')
      out += isUnreserved(byte) ? String.fromCharCode(byte) : triplet(byte)
      i += 2
    } else if (pathClass[code] === PLAIN) out += segment[i]
    else if (pathClass[code] === ENCODE) out += triplet(code)
    else return bad(plainFault(code))
  }
  return out
}

function plainFault(code: number): string {
  if (code === 0x5c) return 'the path holds a backslash'
  if (code === 0x23) return "the request target holds a '#'"
  if (code >= 0x80) return 'the path holds a character outside ASCII that is not percent-encoded'
  return 'the path holds a space or a control character'
}

/** Why a generous reader could find another path in this segment. */
function generousFault(segment: string, allowEncodedSlash: boolean): string | undefined {
  if (!segment.includes('%')) return readingFault(segment, false)
  // Overlong UTF-8: old decoders read %C0%AE as '.', %C0%AF as '/'.
  if (/%C[01]%[89AB]|%E0%[89]|%F0%8/.test(segment)) return 'the path holds an overlong UTF-8 sequence'
  const once = decodeOnce(segment)
  return (
    readingFault(segment, allowEncodedSlash) ??
    readingFault(once, allowEncodedSlash) ??
    (once.includes('%') ? readingFault(decodeOnce(once), allowEncodedSlash) : undefined)
  )
}

function readingFault(reading: string, allowEncodedSlash: boolean): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\\\x00-\x1f\x7f]/.test(reading)) {
    return 'the path holds an encoded backslash or control character'
  }
  if (!reading.includes('/')) return pieceFault(reading)
  if (!allowEncodedSlash) return 'the path holds an encoded slash'
  for (const piece of reading.split('/')) {
    if (piece === '') continue
    const fault = pieceFault(piece)
    if (fault !== undefined) return fault
  }
  return undefined
}

function pieceFault(piece: string): string | undefined {
  // Decoded, `?` and `#` end the path for a reader who parses it again.
  if (/^\.\.?(?:[;?#]|$)/.test(piece)) return 'the path holds a disguised dot segment'
  return piece === '' || piece.startsWith(';') ? 'the path holds a segment of parameters only' : undefined
}

function decodeOnce(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function hexByte(text: string, at: number): number | undefined {
  const high = hexDigit(text.charCodeAt(at))
  const low = hexDigit(text.charCodeAt(at + 1))
  return high < 0 || low < 0 ? undefined : high * 16 + low
}

function isUnreserved(byte: number): boolean {
  const lower = byte | 0x20
  if ((lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39)) return true
  return byte === 0x2d || byte === DOT || byte === 0x5f || byte === 0x7e
}

function triplet(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
}

function classes(plain: number, plainMarks: string, encode: number, encodeMarks: string): Uint8Array {
  const table = new Uint8Array(128)
  for (let code = 0; code < 128; code++) {
    const character = String.fromCharCode(code)
    if (isUnreserved(code) || plainMarks.includes(character)) table[code] = plain
    else if (encodeMarks.includes(character)) table[code] = encode
  }
  return table
}

function bad(detail: string): BadTarget {
  return { ok: false, detail }
}
