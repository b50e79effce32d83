/** The two kinds of cookie that the page uses: what has been bought, and what is being paid. */

import { encodeHex, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { HeaderLines } from '../core/header-lines.ts'

/** What all names of these cookies begin with; none of them goes on to an upstream. */
export const COOKIE_PREFIX = 'l402-'

/** More of them are not looked at: each costs hashes, and nobody has paid yet. */
const MOST_COOKIES = 8

/** Of the credentials together, in characters: with the lines around them below what is read of any request (rule V6). */
const MOST_CREDENTIAL_TEXT = 15_000

/** Browsers keep no cookie that is longer, its name included. */
export const MOST_COOKIE_TEXT = 3_800

const OURS = /^\s*l402-[0-9a-f]{8}(?:-[0-9a-f]{8})?\s*=/
const CREDENTIAL = /^[A-Za-z0-9_-]{1,3700}:[0-9a-f]{64}$/
const PENDING = /^[A-Za-z0-9_.-]{1,3790}$/

/** The cookies of one request, each kind at most {@link MOST_COOKIES}. */
export interface PageCookies {
  /** `<macaroon>:<preimage>`, as after the scheme in `Authorization`: those of the route that is asked for first. */
  readonly credentials: readonly string[]
  /** Of the route that is asked for; see pending.ts. */
  readonly pending: readonly { readonly name: string; readonly text: string }[]
}

/** What is sold, as a part of a cookie's name: credentials of other routes under the same path are kept beside it. */
export function soldName({
  service,
  capability,
}: {
  readonly service: string
  readonly capability: string
}): string {
  return encodeHex(sha256(encodeUtf8(`${service}\n${capability}`)).subarray(0, 4))
}

/** The name of the cookie for what was bought. */
export function credentialName(sold: string): string {
  return `${COOKIE_PREFIX}${sold}`
}

/** The name of the cookie for a challenge that is out. */
export function pendingName(sold: string, paymentHash: string): string {
  return `${COOKIE_PREFIX}${sold}-${paymentHash.slice(0, 8)}`
}

/** Reads `Cookie` lines. What is not of the page's own form is not there. */
export function readCookies(headers: HeaderLines, sold: string): PageCookies {
  const own = new Set<string>()
  const others = new Set<string>()
  const pending: { name: string; text: string }[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() !== 'cookie') continue
    for (const pair of (headers[i + 1] as string).split(';')) {
      const at = pair.indexOf('=')
      const name = pair.slice(0, at).trim()
      if (at < 0 || !name.startsWith(COOKIE_PREFIX)) continue
      const text = pair.slice(at + 1).trim()
      if (/^l402-[0-9a-f]{8}$/.test(name)) {
        // Browsers send the oldest first: what was just bought here must not be passed over for what was bought elsewhere.
        const found = name === credentialName(sold) ? own : others
        if (found.size < MOST_COOKIES && CREDENTIAL.test(text)) found.add(text)
      } else if (
        name.startsWith(`${COOKIE_PREFIX}${sold}-`) &&
        pending.length < MOST_COOKIES &&
        PENDING.test(text)
      )
        pending.push({ name, text })
    }
  }
  return { credentials: withinBounds([...own, ...others]), pending }
}

/** What is too long beside the ones before it is left out, so that it does not make all of them unreadable. */
function withinBounds(credentials: readonly string[]): string[] {
  let left = MOST_CREDENTIAL_TEXT
  const kept = credentials.filter((text) => {
    if (text.length > left) return false
    left -= text.length
    return true
  })
  return kept.slice(0, MOST_COOKIES)
}

/** Where a cookie goes, and for how long. */
export interface CookieTerms {
  readonly path: string
  /** Over TLS alone. */
  readonly secure: boolean
  /** Seconds; 0 takes the cookie away. */
  readonly maxAge: number
}

/** A `Set-Cookie` value. Scripts cannot read it, and other sites' requests do not carry it but for plain navigation. */
export function setCookie(name: string, text: string, { path, secure, maxAge }: CookieTerms): string {
  return `${name}=${text}; Path=${path}; Max-Age=${maxAge}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}

/**
 * The path that cookies are for: what stands before the first variable segment of the route's name, where the name begins
 * like the path asked for, with or without what the server is mounted below; else that path. Cut off before a segment that a
 * cookie's path cannot say as it came.
 */
export function cookiePath(
  { name, basePath = '' }: { readonly name: string; readonly basePath?: string },
  path: string,
): string {
  const pattern = /(?:^|\s)(\/\S*)$/.exec(name)?.[1]
  const segments = plainSegments(path)
  const named = pattern === undefined ? [] : [basePath + pattern, pattern].map(plainSegments)
  const fitting = named.find((fixed) => fixed.every((segment, i) => segment === segments[i]))
  return `/${(fitting ?? segments).join('/')}`
}

function plainSegments(path: string): string[] {
  const segments = path.split('/').slice(1)
  const end = segments.findIndex((segment) => !/^[A-Za-z0-9_.~@-]+$/.test(segment))
  return end < 0 ? segments : segments.slice(0, end)
}

/** The `Cookie` value without the page's cookies: `undefined` where nothing is left of it. */
export function withoutPageCookies(value: string): string | undefined {
  if (!value.includes(COOKIE_PREFIX)) return value
  const kept = value.split(';').filter((pair) => !OURS.test(pair))
  const text = kept.join(';').trim()
  return text === '' ? undefined : text
}
