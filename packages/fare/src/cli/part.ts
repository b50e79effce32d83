/**
 * Downloads that are not whole yet. What they are a part of is noted in a small file beside them, `FILE.fare-part`, from
 * the first byte until the last: so `-C -` goes on also where the run before was killed.
 */

import { createHash } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'

/** How far a file has come. */
export interface Part {
  readonly offset: number
  /** Value for `If-Range`: a strong `ETag`, or a `Last-Modified` that is as good as one. */
  readonly validator: string
}

/** The part of `url` that is in the file; `undefined` where there is none, or nobody knows of what. */
export function readPart(file: string, url: URL): Part | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile() || found.size === 0) return undefined
  try {
    const { of, validator } = JSON.parse(readFileSync(noteFile(file), 'utf8')) as Record<string, unknown>
    if (of !== digestOf(url) || typeof validator !== 'string') return undefined
    return { offset: found.size, validator }
  } catch {
    return undefined
  }
}

/** Notes that the file begins as this answer does. One that cannot be recognised again is not noted. */
export function notePart(file: string, url: URL, headers: Headers): void {
  const validator = validatorOf(headers)
  if (validator === null || !statSync(file).isFile()) return
  // The URL may hold a secret: its digest does as well.
  writeFileSync(noteFile(file), `${JSON.stringify({ of: digestOf(url), validator })}\n`, { mode: 0o600 })
}

/** The file is whole, or its part is of no use. */
export function forgetPart(file: string): void {
  rmSync(noteFile(file), { force: true })
}

/** What `If-Range` may hold (RFC 9110 §13.1.5): weak validators say nothing about bytes. */
export function validatorOf(headers: Headers): string | null {
  const etag = headers.get('etag')
  if (etag !== null) return /^"[^"]*"$/.test(etag) ? etag : null
  const modified = headers.get('last-modified')
  // RFC 9110 §8.8.2.2: within the same second it may have changed once more.
  const age = Date.parse(headers.get('date') ?? '') - Date.parse(modified ?? '')
  return age >= 1_000 ? modified : null
}

/** What the answer to a request for the rest is. */
export type Rest =
  /** The rest, from the first missing byte on; `whole` unless more is missing behind it. */
  | { readonly kind: 'rest'; readonly whole: boolean }
  /** All of it anew: it has changed, or the server knows no parts. */
  | { readonly kind: 'anew' }
  /** Nothing is missing. */
  | { readonly kind: 'complete' }
  /** The part is longer than what the server has. */
  | { readonly kind: 'outgrown' }
  | { readonly kind: 'useless'; readonly why: string }

/** Reads the answer to `Range: bytes=OFFSET-`. */
export function restOf({ status, headers }: Response, part: Part): Rest {
  if (status === 200) return { kind: 'anew' }
  const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(headers.get('content-range')?.trim() ?? '')
  const [first, last, total] = [range?.[1], range?.[2], range?.[3]].map(Number) as [number, number, number]
  if (status === 416) return total === part.offset ? { kind: 'complete' } : { kind: 'outgrown' }
  if (status !== 206) return { kind: 'useless', why: `the server answered ${status}` }
  if (range === null || first !== part.offset || last < first || last >= (total || Number.POSITIVE_INFINITY))
    return { kind: 'useless', why: 'the server sent another part than was asked for' }
  const now = headers.get('etag')
  // A server that does not know If-Range would mix two versions in one file.
  if (now !== null && part.validator.startsWith('"') && now !== part.validator)
    return { kind: 'useless', why: 'the server sent a part of another version' }
  return { kind: 'rest', whole: Number.isNaN(total) || last + 1 === total }
}

function noteFile(file: string): string {
  return `${file}.fare-part`
}

function digestOf(url: URL): string {
  return createHash('sha256').update(url.href).digest('hex')
}
