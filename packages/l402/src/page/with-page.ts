/** A gate that shows browsers a page to pay on, and takes what they bought there from a cookie. */

import { encodeHex } from '../core/bytes.ts'
import { isCredentialLine } from '../core/credential.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { InvoiceBackend } from '../lightning/backend.ts'
import { lightningUnavailable, tooManyAnswer } from '../server/answers.ts'
import { headerValue } from '../server/clear-request.ts'
import type { Decision, Gate, GateRequest, Refused } from '../server/gate.ts'
import type { KeyRing } from '../server/keys.ts'
import type { LimitAuthority } from '../server/limits/authority.ts'
import { prefersHtml } from './accept.ts'
import { againAnswer, boughtCookies, formFailed, pageAnswer, stateAnswer } from './answers.ts'
import {
  COOKIE_PREFIX,
  cookiePath,
  MOST_COOKIE_TEXT,
  pendingName,
  readCookies,
  setCookie,
  soldName,
} from './cookies.ts'
import { type PageOptions, pageWords, type ServicePage } from './options.ts'
import { formatPending, NONCE_BYTES, type Pending, readPending } from './pending.ts'
import { renderPage } from './render.ts'
import { takesCookies } from './same-origin.ts'
import { createLook, type PaymentState, provenBy } from './settled.ts'

/** What a page is made of. */
export interface PageParts {
  readonly page: PageOptions
  readonly services: Readonly<Record<string, { readonly page?: ServicePage | false }>>
  readonly lightning: InvoiceBackend
  readonly keys: KeyRing
  readonly limits: LimitAuthority
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

/** A form that a page has sent, where the reader's browser runs no script. */
export interface PageForm extends Pick<GateRequest, 'headers' | 'base'> {
  /** `application/x-www-form-urlencoded`; at most 16 KiB are read of it. */
  readonly body: string
}

/** The form's fields are small; this is more than a cookie may hold, twice. */
export const PAGE_FORM_BYTES = 16_384

/** Browsers keep a cookie 400 days at most. */
const LONGEST_SECONDS = 400 * 86_400
/** How long a browser remembers what it may have paid, after the invoice's end. */
const PENDING_GRACE_SECONDS = 86_400
/** Challenges that one browser has out for one route; the oldest is forgotten first. */
const MOST_PENDING = 4

const ACCEPTS_TEXT = /text\/(?:html|\*)/i

/**
 * Puts the page before a gate. Requests without the page's cookies, header and `Accept` go straight on.
 *
 * @throws RangeError for options out of range.
 */
export function withPage(gate: Gate, parts: PageParts): Gate {
  const { services, lightning, keys, limits, now, randomBytes } = parts
  const words = pageWords(parts.page, services)
  const look = createLook(lightning, limits)

  async function decideFor(browser: Browser, request: GateRequest): Promise<Decision> {
    const { pending } = browser
    if (browser.asks !== undefined) return status(browser, request)
    const reads = request.method === 'GET' || request.method === 'HEAD'
    const notice: { settled: boolean } = { settled: false }
    const shows = browser.html && reads
    const nonce = pending[0]?.nonce ?? randomBytes(NONCE_BYTES)
    const asked = withCredentials(request, browser.lines)
    const decide = async (): Promise<Decision> =>
      gate.decide(shows ? { ...asked, asker: encodeHex(nonce) } : asked)
    const looks = pending.length > 0 && reads && browser.takes
    // What has been bought opens without a question to the node about another challenge, which may be out for long.
    const first = looks && browser.lines.length === 0 ? undefined : await decide()
    if (looks && (first === undefined || isUnpaid(first))) {
      const payment = await look(pending, request.clientAddress)
      if (payment.state === 'paid') return againAnswer(boughtCookies(payment, isSecure(request)))
      // No second invoice while nobody knows whether the first is paid.
      if (payment.state === 'unavailable') return lightningUnavailable(request)
      if (payment.state === 'later')
        return tooManyAnswer(
          request,
          'challenge_limit',
          'this page was asked for too often',
          payment.retryAfterSeconds,
        )
      notice.settled = payment.state === 'settled'
    }
    const decision = first ?? (await decide())
    if (!shows || !isUnpaid(decision) || decision.grpc) return decision
    return page(decision, { request, nonce, browser, settled: notice.settled })
  }

  /** The page's own question. Its header makes it one that no other origin's page can send unasked. */
  async function status({ pending, takes }: Browser, request: GateRequest): Promise<Refused> {
    const preimage = headerValue(request.headers, 'l402-preimage')
    let payment: PaymentState = { state: 'open' }
    if (takes && preimage !== undefined) payment = provenBy(preimage, pending)
    else if (takes && pending.length > 0) payment = await look(pending, request.clientAddress)
    return stateAnswer(payment, payment.state === 'paid' ? boughtCookies(payment, isSecure(request)) : [])
  }

  function page(refused: Refused, { request, nonce, browser, settled }: Shown): Refused {
    const { route, path } = request
    const { macaroon, invoice, priceMsat, paymentHash, expiresAt } = JSON.parse(refused.body) as ChallengeBody
    const sold = soldName(route)
    const place = {
      sold,
      path: cookiePath(route, path),
      maxAge: Math.min(route.grants.validSeconds ?? LONGEST_SECONDS, LONGEST_SECONDS),
    }
    const pending = formatPending({ nonce, macaroon, place }, keys)
    // What no cookie can hold cannot be opened from a page.
    if (pending.length + 32 > MOST_COOKIE_TEXT) return refused
    const terms = { path: place.path, secure: isSecure(request) }
    const maxAge = Math.max(0, expiresAt - Math.floor(now() / 1000)) + PENDING_GRACE_SECONDS
    const name = pendingName(sold, paymentHash)
    const cookies = ['Set-Cookie', setCookie(name, pending, { ...terms, maxAge })]
    const others = browser.names.filter((other) => other !== name)
    for (const old of others.slice(0, Math.max(0, others.length + 1 - MOST_PENDING)))
      cookies.push('Set-Cookie', setCookie(old, '', { ...terms, maxAge: 0 }))
    const shown = servicePage(services, route.service)
    const html = renderPage(
      {
        title: shown.title ?? route.service,
        brand: shown.brand,
        invoice,
        paymentHash,
        amountMsat: BigInt(priceMsat),
        expiresAt,
        grants: route.grants,
        notice: settled ? words.text.pendingSettled : noticeOf(refused, words.text),
        pending,
        formAction: parts.page.formPath,
        target: path,
      },
      words,
    )
    return pageAnswer(refused, html, cookies)
  }

  /** What of a request is a browser's; `undefined` where nothing is. */
  function browserOf({ headers, route, method, base }: GateRequest): Browser | undefined {
    let cookies = false
    let accept: string | undefined
    let asks: string | undefined
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string
      const value = headers[i + 1] as string
      // The length decides for nearly every other line.
      if (name.length === 6) {
        const lower = name.toLowerCase()
        if (lower === 'cookie') cookies ||= value.includes(COOKIE_PREFIX)
        else if (lower === 'accept' && (accept !== undefined || ACCEPTS_TEXT.test(value)))
          accept = accept === undefined ? value : `${accept},${value}`
      } else if (name.length === 9 && name.toLowerCase() === 'l402-page') asks = value
    }
    if (!cookies && accept === undefined && asks === undefined) return undefined
    if (route.free || route.skipInvoice === true || services[route.service]?.page === false) return undefined
    const html = accept !== undefined && prefersHtml(allOf(headers, 'accept'))
    // What a header says goes before what a cookie says.
    const held = headers.some((name, i) => i % 2 === 0 && isCredentialLine(name, headers[i + 1] ?? ''))
    const takes = takesCookies({ method, headers, ...(base === undefined ? {} : { base }) })
    if (held || !cookies)
      return { html, asks: method === 'GET' ? asks : undefined, takes, pending: [], names: [], lines: [] }
    const found = readCookies(headers, soldName(route))
    const pending = found.pending.flatMap(({ text }) => readPending(text, keys) ?? [])
    return {
      html,
      asks: method === 'GET' ? asks : undefined,
      takes,
      pending,
      names: found.pending.map(({ name }) => name),
      lines: takes ? found.credentials.flatMap((text) => ['Authorization', `L402 ${text}`]) : [],
    }
  }

  return {
    decide(request) {
      const browser = browserOf(request)
      return browser === undefined ? gate.decide(request) : decideFor(browser, request)
    },
    wantsDigest(request) {
      const browser = browserOf(request)
      return gate.wantsDigest(browser === undefined ? request : withCredentials(request, browser.lines))
    },
    balance: (headers, asked) => gate.balance(headers, asked),
    get cachedVerdicts() {
      return gate.cachedVerdicts
    },
    get heldChallenges() {
      return gate.heldChallenges
    },
    get verdictLookups() {
      return gate.verdictLookups
    },
    submitPage({ headers, base, body }) {
      const failed = formFailed(words.text.wrongPreimage)
      if (body.length > PAGE_FORM_BYTES) return failed
      if (!takesCookies({ method: 'POST', headers, ...(base === undefined ? {} : { base }) })) return failed
      const fields = new URLSearchParams(body)
      const pending = readPending(fields.get('pending') ?? '', keys)
      if (pending === undefined) return failed
      const payment = provenBy((fields.get('preimage') ?? '').trim(), [pending])
      if (payment.state !== 'paid') return failed
      return againAnswer(
        boughtCookies(payment, isSecure({ base })),
        targetOf(fields.get('target'), headers, base),
      )
    },
  }
}

/** What of a request is a browser's. */
interface Browser {
  /** Prefers the page. */
  readonly html: boolean
  /** The payment hash that the page's script asks about. */
  readonly asks: string | undefined
  /** Whether the request is one that cookies count for. */
  readonly takes: boolean
  /** Challenges of this browser for this route, the oldest first. */
  readonly pending: readonly Pending[]
  readonly names: readonly string[]
  /** What was bought, as the lines that a program would send. */
  readonly lines: HeaderLines
}

interface Shown {
  readonly request: GateRequest
  readonly nonce: Uint8Array
  readonly browser: Browser
  readonly settled: boolean
}

/** What the page needs of a 402's body (rule S6). */
interface ChallengeBody {
  readonly macaroon: string
  readonly invoice: string
  readonly priceMsat: number
  readonly paymentHash: string
  readonly expiresAt: number
}

/** From here on it is a credential like any other: every limit is checked, on every request. */
function withCredentials(request: GateRequest, lines: HeaderLines): GateRequest {
  return lines.length === 0 ? request : { ...request, headers: [...request.headers, ...lines] }
}

function noticeOf(
  { reason }: Refused,
  text: Record<'exhausted' | 'ended' | 'revoked' | 'notAccepted', string>,
): string | undefined {
  if (reason === 'missing') return undefined
  if (reason === 'exhausted' || reason === 'revoked') return text[reason]
  return reason === 'expired' ? text.ended : text.notAccepted
}

function servicePage(services: PageParts['services'], service: string): ServicePage {
  const page = services[service]?.page
  return page === undefined || page === false ? {} : page
}

function isUnpaid(decision: Decision): decision is Refused {
  return decision.outcome === 'refuse' && decision.status === 402
}

function isSecure({ base }: { readonly base?: string | undefined }): boolean {
  return base?.startsWith('https://') === true
}

function allOf(headers: HeaderLines, lowerName: string): string {
  return headers
    .filter((_, i) => i % 2 === 1 && (headers[i - 1] as string).toLowerCase() === lowerName)
    .join(',')
}

/** Where a form's reader came from, on this origin alone; the path that the page named where the browser does not say. */
function targetOf(stated: string | null, headers: HeaderLines, base: string | undefined): string {
  const referer = headerValue(headers, 'referer')
  const from =
    base !== undefined && referer?.startsWith(`${base}/`) === true ? referer.slice(base.length) : stated
  return from !== null && /^\/(?![/\\])[\x21-\x7e]*$/.test(from) ? from : '/'
}
