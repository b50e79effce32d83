/** `headers` of a service: which lines are set and removed on the way to the upstream and back. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { z } from 'zod'
import { foldName } from '../proxy/header-edits.ts'
import { headerKind } from '../proxy/header-kinds.ts'
import type { Report } from './metered.ts'
import { list, section, table } from './section.ts'

/** Lines that are set, with their values, and names that are removed. */
export interface HeaderLinesConfig {
  /** Values are secrets: for no message. */
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the reader has to write
const NAMES = 'header names with values, e.g. { X-Api-Key: "${API_KEY}" }'

const edits = (whose: string) =>
  section('"set" or "remove"', {
    set: table(NAMES)
      .describe(
        `Header lines ${whose}, in place of any of the same name: a text, or { file, encoding } with encoding text (default), hex or base64.`,
      )
      .optional(),
    remove: list('a list of header names').describe(`Header lines taken out ${whose}.`).optional(),
  })

/** `{ request: { set, remove }, response: { set, remove } }`. */
export const headers = section('"request" or "response"', {
  request: edits('of requests to the upstream')
    .describe('Header lines on the way to the upstream.')
    .optional(),
  response: edits('of answers to the client').describe('Header lines on the way to the client.').optional(),
})

type Direction = 'request' | 'response'

/** What {@link readHeaderLines} needs to know. */
export interface HeaderContext {
  readonly direction: Direction
  /** Relative file names start here. */
  readonly folder: string
  readonly report: Report
}

/** The edits of one direction; `undefined` for none. Reports everything that is wrong, and never a value. */
export function readHeaderLines(
  offer: z.infer<typeof headers>[Direction],
  { direction, folder, report }: HeaderContext,
): HeaderLinesConfig | undefined {
  if (offer === undefined) return undefined
  const seen = new Set<string>()
  const set: (readonly [string, string])[] = []
  for (const [name, value] of Object.entries(offer.set ?? {})) {
    const below = ['headers', direction, 'set', name]
    const folded = foldName(name)
    const fault = nameFault(name, direction, 'set')
    const read = fault === undefined ? readValue(value, folder) : { fault }
    if (seen.has(folded)) report(below, 'stands there twice, expected it once')
    else if ('fault' in read) report(below, read.fault)
    else set.push([name, read.value])
    seen.add(folded)
  }
  for (const [index, name] of (offer.remove ?? []).entries()) {
    const below = ['headers', direction, 'remove', index]
    const fault = nameFault(name, direction, 'remove')
    if (fault !== undefined) report(below, fault)
    else if (seen.has(foldName(name))) report(below, 'is set or removed already, expected it once')
    seen.add(foldName(name))
  }
  return { set, remove: offer.remove ?? [] }
}

function nameFault(name: string, direction: Direction, what: 'set' | 'remove'): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name))
    return 'not a header name, expected letters, digits and "-", such as X-Api-Key'
  const lower = foldName(name)
  switch (headerKind(name)) {
    case 'hop':
    case 'connection':
    case 'host':
    case 'length':
    case 'coding':
    case 'te':
    case 'expect':
    case 'upgrade':
      return 'belongs to the connection, which is the gateway’s to say, expected another header'
    case 'ours':
      if (direction === 'response' && !lower.startsWith('x-l402-')) return undefined
      return 'is the gateway’s own, expected another header'
    case 'proof':
      return direction === 'request' ? 'is for the gate, expected another header' : undefined
    case 'encoding':
      return what === 'set' ? 'is the gateway’s to say, expected another header' : undefined
    default:
      if (direction === 'request') return undefined
      return /^ratelimit(?:-policy)?$/.test(lower) || (what === 'set' && lower === 'www-authenticate')
        ? 'is the gateway’s own, expected another header'
        : undefined
  }
}

const EXPECTED = 'expected a text or { file: NAME, encoding: text | hex | base64 }'
/** Longest value, in characters. */
const MAX_VALUE = 16_384

function readValue(value: unknown, folder: string): { readonly value: string } | { readonly fault: string } {
  if (typeof value === 'string') return checkValue(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fault: `not a value, ${EXPECTED}` }
  const { file, encoding = 'text', ...rest } = value as Readonly<Record<string, unknown>>
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) return { fault: `unknown key "${unknown}", ${EXPECTED}` }
  if (typeof file !== 'string' || file === '') return { fault: `names no file, ${EXPECTED}` }
  if (encoding !== 'text' && encoding !== 'hex' && encoding !== 'base64')
    return { fault: 'not an encoding, expected "text", "hex" or "base64"' }
  let bytes: Buffer
  try {
    bytes = readFileSync(resolve(folder, file))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    return { fault: `its file cannot be read (${code}), expected a readable file` }
  }
  if (bytes.length > MAX_VALUE) return { fault: `its file is too long, expected at most ${MAX_VALUE} bytes` }
  // A text file ends with a line break.
  return checkValue(
    encoding === 'text' ? bytes.toString('latin1').replace(/\r?\n$/, '') : bytes.toString(encoding),
  )
}

/** RFC 9110 §5.5. */
function checkValue(value: string): { readonly value: string } | { readonly fault: string } {
  if (value.length > MAX_VALUE) return { fault: `too long, expected at most ${MAX_VALUE} characters` }
  if (/[\r\n\0]/.test(value)) return { fault: 'has a line break or NUL in it, expected one line' }
  return /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(value)
    ? { value }
    : {
        fault:
          'not a value that a header line can hold, expected plain characters without spaces at the ends',
      }
}
