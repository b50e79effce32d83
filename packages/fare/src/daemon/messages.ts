/** What the daemon and `fare get` say to each other: a request as JSON, an answer as NDJSON, over HTTP. */

import type { FetchOutcome, PurchaseEvent } from '@turnpike/l402/client'
import { REFUSED_HEADERS } from '../net/refused-headers.ts'

/** A request to fetch under a grant; whatever else stands in it is refused. */
export interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** Base64; `null` without a body. */
  readonly body: string | null
  readonly redirect: 'follow' | 'manual'
  /** Decimal text; `null` for no limit beneath the grant's. */
  readonly maxMsat: string | null
  readonly noPay: boolean
  readonly payAgain: boolean
  readonly maxRedirects: number | null
  readonly timeoutMs: number | null
}

/** A request body may be so large; it is held in memory. */
export const MOST_BODY_BYTES: number = 32 * 1024 * 1024

/** An outcome without what cannot be sent. */
type SentOutcome = Omit<FetchOutcome, 'response' | 'cause'>

/** What the holder gets to see of an answer. */
export interface SentAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [string, string])[]
}

/** A line of the answer. */
export type Line =
  | { readonly event: PurchaseEvent }
  /** The end of buying; the body follows, then `end` or `cut`. */
  | { readonly outcome: SentOutcome; readonly answer: SentAnswer | null }
  /** Base64. */
  | { readonly chunk: string }
  | { readonly end: true }
  | { readonly cut: string }
  /** A fault before anything was paid. */
  | { readonly fault: { readonly code: string; readonly message: string } }

/** Reads {@link Asked}; the text says what is wrong. */
export function readAsked(text: string): Asked | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'expected JSON'
  }
  if (typeof value !== 'object' || value === null) return 'expected an object'
  const asked = value as Record<string, unknown>
  for (const key of Object.keys(asked)) if (!CHECKS.has(key)) return `unknown key "${key}"`
  for (const [key, [check, expected]] of CHECKS) if (!check(asked[key])) return `${key}: expected ${expected}`
  return value as Asked
}

type Check = readonly [(value: unknown) => boolean, string]

const isText = (value: unknown): boolean => typeof value === 'string'
/** Node's timers end at once what is to last longer. */
const MOST_COUNT = 2 ** 31 - 1
const isCount = (value: unknown): boolean =>
  value === null ||
  (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_COUNT)
/** More millisatoshis than there are do not fit into the books. */
const isAmount = (value: unknown): boolean =>
  value === null || (typeof value === 'string' && /^[0-9]{1,19}$/.test(value) && BigInt(value) < 2n ** 63n)
// A user name or password in a URL is no header's business, and would be told of where the URL is.
const isAddress = (value: unknown): boolean => {
  if (typeof value !== 'string' || !/^https?:\/\//.test(value) || !URL.canParse(value)) return false
  const { username, password } = new URL(value)
  return username === '' && password === ''
}
const isFlag = (value: unknown): boolean => typeof value === 'boolean'
// A grant is for hosts: `Host` would name another one behind the same address, and framing could hide another request.
const isHeaders = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every(
    (pair) =>
      Array.isArray(pair) &&
      pair.length === 2 &&
      pair.every((part) => isText(part)) &&
      !REFUSED_HEADERS.has(String(pair[0]).toLowerCase()) &&
      isHeader(String(pair[0]), String(pair[1])),
  )

/** Whether the name and the value are legal. */
function isHeader(name: string, value: string): boolean {
  try {
    new Headers([[name, value]])
    return true
  } catch {
    return false
  }
}

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['url', [isAddress, 'an http:// or https:// URL without a user name or password']],
  [
    'method',
    [
      (value) =>
        typeof value === 'string' &&
        /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) &&
        !/^(connect|trace|track)$/i.test(value),
      'a method',
    ],
  ],
  ['headers', [isHeaders, 'pairs of name and value, and no Host among them, nor framing or credentials']],
  [
    'body',
    [
      (value) => value === null || (isText(value) && /^[A-Za-z0-9+/]*={0,2}$/.test(String(value))),
      'base64 or null',
    ],
  ],
  ['redirect', [(value) => value === 'follow' || value === 'manual', 'follow or manual']],
  ['maxMsat', [isAmount, 'decimal text below 2^63, or null']],
  ['noPay', [isFlag, 'true or false']],
  ['payAgain', [isFlag, 'true or false']],
  ['maxRedirects', [isCount, `a whole number up to ${MOST_COUNT}, or null`]],
  ['timeoutMs', [isCount, `milliseconds up to ${MOST_COUNT}, or null`]],
])

/** Amounts are decimal text on the way, as they can be larger than a double holds exactly. */
export function parseLine(text: string): Line {
  return JSON.parse(text, (key, value: unknown) =>
    key.endsWith('Msat') && typeof value === 'string' && /^[0-9]+$/.test(value) ? BigInt(value) : value,
  ) as Line
}
