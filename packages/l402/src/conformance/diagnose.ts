/** Probes an L402 server: what is wrong with it, and what each known client can do with it. */

import { encodeHex } from '../core/bytes.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { ask, type Came, linesOf, NO_ANSWER } from './ask.ts'
import { buyAndTry, type DiagnosePaid, type DiagnosePay } from './buy.ts'
import type { Finding, Report } from './finding.ts'
import { type ClientReading, readingsOf } from './known-clients.ts'
import { checkRefused, type Send } from './refused-rules.ts'
import { checkSpellings } from './spelling-rules.ts'
import { checkUnpaid, type Offered } from './unpaid-rules.ts'

/** What is probed. */
export interface DiagnoseOptions {
  /** `http:` or `https:`, without user and password. */
  readonly url: string
  /** @default 'GET' */
  readonly method?: string
  /** Sent with every request; JSON. */
  readonly body?: string
  /** Pays one invoice, for at most `mostMsat` with its fees; without it nothing is paid. */
  readonly pay?: DiagnosePay
  /** How long the server may take to each answer. @default 10000 */
  readonly timeoutMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What came of it. */
export interface Diagnosis {
  readonly url: string
  /** The worst first; empty where all is well. */
  readonly findings: readonly Finding[]
  readonly clients: readonly ClientReading[]
  /** What the unpaid request was offered; `null` where it was nothing that can be bought. */
  readonly offer: {
    readonly amountMsat: bigint | null
    readonly network: string
    readonly paymentHash: string
  } | null
  /** `null`: nothing was paid. */
  readonly paid: DiagnosePaid | null
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const ORDER = ['error', 'warning', 'note'] as const

/**
 * Asks the server some twenty times; an invoice may be made for each.
 *
 * @throws TypeError for a URL of another scheme or with a password, and for a method that is none. Rejects where the server cannot be reached at all.
 */
export async function diagnose(options: DiagnoseOptions): Promise<Diagnosis> {
  const { method = 'GET', body, timeoutMs = 10_000, now = Date.now } = options
  const url = new URL(options.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`invalid url: expected http: or https:, got ${url.protocol}`)
  // They would have to share the one Authorization line with what is probed, and are in every text about the URL.
  if (url.username !== '' || url.password !== '')
    throw new TypeError('invalid url: expected no user and password in it')
  if (!TOKEN.test(method) || method === 'CONNECT')
    throw new TypeError('invalid method: expected an HTTP method such as GET')
  const findings: Finding[] = []
  const report: Report = (severity, rule, what, remedy) => {
    if (!findings.some((one) => one.rule === rule && one.what === what))
      findings.push({ severity, rule, what, remedy })
  }
  let isFirst = true
  const send: Send = async (headers: HeaderLines, { method: as = method, target } = {}) => {
    const hasBody = body !== undefined && as !== 'HEAD' && as !== 'OPTIONS'
    const asked = {
      ...{ url, method: as, headers, timeoutMs },
      ...(target === undefined ? {} : { target }),
      ...(hasBody ? { body } : {}),
    }
    try {
      return await ask(asked)
    } catch (error) {
      // What answers at all is judged to the end: money may have been spent.
      if (isFirst) throw error
      report('error', 'V6', `some requests are not answered (${faultOf(error)})`, 'Answer whatever is asked.')
      return NO_ANSWER
    } finally {
      isFirst = false
    }
  }
  const unpaid = await send([])
  const offered = checkUnpaid(unpaid, report, now() / 1000)
  const clients = await readClients(send, unpaid, offered)
  let paid: Diagnosis['paid'] = null
  if (offered !== undefined) {
    await checkRefused(send, { offered, method }, report)
    await checkSpellings(send, url, report)
    if (options.pay !== undefined) paid = await buyAndTry(send, { ...options.pay, now, method }, report)
  }
  const { invoice } = offered ?? {}
  findings.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
  return {
    url: url.href,
    findings,
    clients,
    offer:
      invoice === undefined
        ? null
        : {
            amountMsat: invoice.amountMsat,
            network: invoice.network,
            paymentHash: encodeHex(invoice.paymentHash),
          },
    paid,
  }
}

async function readClients(
  send: Send,
  unpaid: Came,
  offered: Offered | undefined,
): Promise<readonly ClientReading[]> {
  const asked = await send(['Accept-Payment', 'lightning/charge'])
  return readingsOf({
    status: unpaid.status,
    lines: linesOf(unpaid, 'www-authenticate'),
    linesForPayment: linesOf(asked, 'www-authenticate'),
    isWellMinted: offered?.isWellMinted ?? false,
    invoice: offered?.invoice.amountMsat == null ? '' : offered.challenge.invoice,
  })
}

/** An error in a word, without what the server wrote. */
function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer'
  return (error as NodeJS.ErrnoException).code ?? error.message
}
