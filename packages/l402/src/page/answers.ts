/** What the page's own requests are answered, and the 402 as a page. */

import { encodeHex } from '../core/bytes.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { Refused } from '../server/gate.ts'
import { type CookieTerms, credentialName, pendingName, setCookie } from './cookies.ts'
import { contentSecurityPolicy } from './csp.ts'
import type { PaymentState } from './settled.ts'

/** A payment whose preimage is known. */
export type Paid = Extract<PaymentState, { readonly state: 'paid' }>

/** What was bought as a cookie (the same macaroon, with all its caveats), in place of the challenge's. */
export function boughtCookies({ pending, preimage }: Paid, secure: boolean): HeaderLines {
  const { place, macaroon, paymentHash } = pending
  const terms: CookieTerms = { path: place.path, secure, maxAge: place.maxAge }
  const credential = `${macaroon}:${encodeHex(preimage)}`
  return [
    ...['Set-Cookie', setCookie(credentialName(place.sold), credential, terms)],
    ...[
      'Set-Cookie',
      setCookie(pendingName(place.sold, encodeHex(paymentHash)), '', { ...terms, maxAge: 0 }),
    ],
  ]
}

/** The same address again, this time with what was bought. The query stays: a reference that is a fragment alone keeps it. */
export function againAnswer(cookies: HeaderLines, location = '#'): Refused {
  return own(303, ['Location', location, ...cookies], '')
}

/** The state for the page's script. Neither preimage nor macaroon is in it. */
export function stateAnswer(payment: PaymentState, cookies: HeaderLines): Refused {
  const { state } = payment
  const lines = ['Content-Type', 'application/json', ...cookies]
  if (payment.state === 'later') lines.push('Retry-After', String(payment.retryAfterSeconds))
  return own(state === 'later' ? 429 : 200, lines, JSON.stringify({ state }))
}

/** A form that nothing came of. */
export function formFailed(text: string): Refused {
  return own(400, ['Content-Type', 'text/plain; charset=utf-8'], `${text}\n`)
}

/** The 402 with a page for its body; every other line as it was (rule S6: header first). */
export function pageAnswer(refused: Refused, html: string, cookies: HeaderLines): Refused {
  const headers: string[] = []
  for (let i = 0; i < refused.headers.length; i += 2) {
    const name = refused.headers[i] as string
    const type = name.toLowerCase() === 'content-type'
    headers.push(name, type ? 'text/html; charset=utf-8' : (refused.headers[i + 1] as string))
  }
  headers.push('Content-Security-Policy', contentSecurityPolicy())
  headers.push('X-Content-Type-Options', 'nosniff', 'Referrer-Policy', 'same-origin', ...cookies)
  return { ...refused, headers, body: html }
}

function own(status: number, lines: HeaderLines, body: string): Refused {
  const headers = [...lines, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff']
  return { outcome: 'refuse', reason: 'page', status, headers, body, grpc: false }
}
