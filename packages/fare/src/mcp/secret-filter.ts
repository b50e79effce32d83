/**
 * Takes secrets that are held out of what a server sends (rule C10): one that echoes requests must not bring them before a
 * model. Works in one pass over windows that overlap: its time and memory do not grow with the number of secrets.
 */

import { encodeHex } from '@turnpike/l402'
import type { StoredCredential } from '@turnpike/l402/client'
import { spelledOut } from './spellings.ts'

/** Characters of a macaroon's text that hold its identifier; narrower copies share them. */
const SHARED_PREFIX = 96
const REMOVED = '[credential removed]'
/** Looked through at once. */
const WINDOW = 64 * 1024
/** More than any spelling of a secret takes: what begins before it ends in the same window. */
const OVERLAP = 8 * 1024
/** More than any spelling of one character takes. */
const LONGEST_CHARACTER = 64
/** Secrets are looked for by their first characters, at most so many. */
const MOST_KEY = 16

/** Finds and removes; made once for a set of credentials. */
export interface SecretFilter {
  text(text: string): string
  bytes(bytes: Uint8Array): Uint8Array
  /** The same over a stream, whose chunks may part a secret. */
  stream(): ByteFilter
}

/** What comes out lags behind what goes in; `end` has the rest. */
interface ByteFilter {
  push(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
}

/** Whether a character may follow on a secret and belongs to it; `undefined` where none does. */
type Tail = RegExp | undefined

interface Secret {
  /** Folded. */
  readonly text: string
  readonly tail: Tail
}

const BASE64_TAIL = /[A-Za-z0-9+/=_-]/
const HEX_TAIL = /[0-9A-Fa-f]/
const PADDING = /=/

/** Makes the filter for macaroons and preimages of these credentials. */
export function secretFilter(credentials: readonly StoredCredential[]): SecretFilter {
  const find = finder(credentials.flatMap(secretsOf))
  if (find === undefined)
    return {
      text: (text) => text,
      bytes: (bytes) => bytes,
      stream: () => ({ push: (chunk) => chunk, end: () => new Uint8Array() }),
    }
  const text = (whole: string): string => {
    const cleaner = windowCleaner(find)
    return cleaner.push(whole) + cleaner.end()
  }
  return {
    text,
    bytes: (bytes) => bytesOf(text(textOf(bytes))),
    stream: () => {
      const cleaner = windowCleaner(find)
      return {
        push: (chunk) => bytesOf(cleaner.push(textOf(chunk))),
        end: () => bytesOf(cleaner.end()),
      }
    },
  }
}

/** Byte by byte: an echo inside of something binary is one all the same. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

function secretsOf({ macaroon: kept, preimage }: StoredCredential): Secret[] {
  // A charge of the Payment scheme is kept with its scheme before it.
  const macaroon = kept.replace(/^Payment /, '')
  const bytes = Buffer.from(macaroon, 'base64').subarray(0, (SHARED_PREFIX * 3) / 4)
  const all: Secret[] = [
    { text: macaroon.slice(0, SHARED_PREFIX), tail: BASE64_TAIL },
    { text: encodeHex(new Uint8Array(bytes)), tail: HEX_TAIL },
    { text: encodeHex(preimage), tail: undefined },
    { text: Buffer.from(preimage).toString('base64').replace(/=+$/, ''), tail: PADDING },
  ]
  return all.map(({ text, tail }) => ({ text: folded(text), tail })).filter(({ text }) => text !== '')
}

/** One case and one alphabet of base64 for all: what differs in no more than that is the same secret. */
const FOLDED: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  String.fromCharCode(code).toLowerCase().replace('-', '+').replace('_', '/').charCodeAt(0),
)

function foldedCode(code: number): number {
  return code < 128 ? (FOLDED[code] as number) : code
}

function folded(text: string): string {
  return String.fromCharCode(
    ...Array.from({ length: text.length }, (_, at) => foldedCode(text.charCodeAt(at))),
  )
}

/** Calls back for every secret in a text: where it begins and ends, and what may follow on it. */
type Find = (text: string, found: (start: number, secret: Secret) => void) => void

/** Rabin and Karp: a rolling hash over as many characters as the shortest secret has. */
function finder(secrets: readonly Secret[]): Find | undefined {
  if (secrets.length === 0) return undefined
  const keyLength = Math.min(MOST_KEY, ...secrets.map(({ text }) => text.length))
  const byKey = new Map<string, Secret[]>()
  const filter = new Uint8Array(1 << 20)
  // Of secrets with the same beginning the longest is tried first.
  for (const secret of [...secrets].sort((a, b) => b.text.length - a.text.length)) {
    const key = secret.text.slice(0, keyLength)
    byKey.set(key, [...(byKey.get(key) ?? []), secret])
    let hash = 0
    for (let at = 0; at < keyLength; at++) hash = rolled(hash, key.charCodeAt(at))
    filter[hash & 0xfffff] = 1
  }
  let oldest = 1
  for (let at = 0; at < keyLength; at++) oldest = Math.imul(oldest, FACTOR)
  return (text, found) => {
    let hash = 0
    for (let at = 0; at < text.length; at++) {
      hash = rolled(hash, foldedCode(text.charCodeAt(at)))
      const start = at + 1 - keyLength
      if (start > 0) hash = (hash - Math.imul(oldest, foldedCode(text.charCodeAt(start - 1)))) | 0
      if (start < 0 || filter[hash & 0xfffff] === 0) continue
      const candidates = byKey.get(folded(text.slice(start, at + 1)))
      const secret = candidates?.find(
        (one) => folded(text.slice(start, start + one.text.length)) === one.text,
      )
      if (secret) found(start, secret)
    }
  }
}

const FACTOR = 0x01000193

function rolled(hash: number, code: number): number {
  return (Math.imul(hash, FACTOR) + code) | 0
}

function windowCleaner(find: Find): { push(text: string): string; end(): string } {
  let pending = ''
  /** Of a secret that went on to the end of what was looked through. */
  let tail: Tail
  const look = (isLast: boolean): string => {
    const { text, starts } = spelledOut(pending)
    // Behind this the end of a spelling may be missing; and behind that the end of a secret.
    const readable = isLast ? text.length : indexAt(starts, pending.length - LONGEST_CHARACTER)
    const settled = isLast ? text.length : indexAt(starts, pending.length - OVERLAP)
    const pieces: string[] = []
    let done = 0
    const skip = (from: number, how: Tail): void => {
      done = from
      while (how !== undefined && done < readable && how.test(text[done] ?? '')) done++
      tail = done === readable && !isLast ? how : undefined
    }
    if (tail !== undefined) skip(0, tail)
    find(text, (start, secret) => {
      if (start < done || start >= settled) return
      pieces.push(pending.slice(starts(done), starts(start)), REMOVED)
      skip(start + secret.text.length, secret.tail)
    })
    const until = Math.max(done, settled)
    pieces.push(pending.slice(starts(done), starts(until)))
    pending = pending.slice(starts(until))
    return pieces.join('')
  }
  return {
    push(text) {
      const pieces: string[] = []
      for (let at = 0; at < text.length; at += WINDOW) {
        pending += text.slice(at, at + WINDOW)
        if (pending.length >= WINDOW + OVERLAP) pieces.push(look(false))
      }
      return pieces.join('')
    },
    end: () => look(true),
  }
}

/** The last character of the spelled-out text that begins at `raw` or before it. */
function indexAt(starts: (index: number) => number, raw: number): number {
  let [low, high] = [0, Math.max(0, raw)]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts(middle) <= raw) low = middle
    else high = middle - 1
  }
  return low
}
