/** Probes an L402 server: what is wrong with it, and what each known client can do with it. */

import { decodeInvoice } from '../core/bolt11/index.ts'
import { encodeHex } from '../core/bytes.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { PaymentBackend } from '../lightning/backend.ts'
import { ask, type Came, linesOf } from './ask.ts'
import type { Finding, Report } from './finding.ts'
import { type ClientReading, readingsOf } from './known-clients.ts'
import { checkPaid } from './paid-rules.ts'
import { checkRefused, type Send } from './refused-rules.ts'
import { checkUnpaid, type Offered } from './unpaid-rules.ts'

/** What is probed. */
export interface DiagnoseOptions {
  /** `http:` or `https:`. */
  readonly url: string
  /** @default 'GET' */
  readonly method?: string
  /** Sent with every request; JSON. */
  readonly body?: string
  /** Pays one invoice, of at most `mostMsat`, fees not counted; without it nothing is paid. */
  readonly pay?: { readonly wallet: PaymentBackend; readonly mostMsat: bigint; readonly maxFeeMsat: bigint }
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
  /** `null`: nothing was to be paid. */
  readonly paid: { readonly amountMsat: bigint; readonly feeMsat: bigint } | null
}

const ORDER = ['error', 'warning', 'note'] as const

/**
 * Asks the server some twenty times; an invoice may be made for each.
 *
 * @throws TypeError for a URL that is none of the two schemes. Rejects where the server cannot be reached at all.
 */
export async function diagnose(options: DiagnoseOptions): Promise<Diagnosis> {
  const { method = 'GET', body, timeoutMs = 10_000, now = Date.now } = options
  const url = new URL(options.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`invalid url: expected http: or https:, got ${url.protocol}`)
  const findings: Finding[] = []
  const report: Report = (severity, rule, what, remedy) => {
    if (!findings.some((one) => one.rule === rule && one.what === what))
      findings.push({ severity, rule, what, remedy })
  }
  const send: Send = (headers: HeaderLines, as = method) =>
    ask({
      url,
      method: as,
      headers,
      timeoutMs,
      ...(body === undefined || as === 'HEAD' || as === 'OPTIONS' ? {} : { body }),
    })
  const unpaid = await send([])
  const offered = checkUnpaid(unpaid, report, now() / 1000)
  const clients = await readClients(send, unpaid, offered)
  let paid: Diagnosis['paid'] = null
  if (offered !== undefined) {
    await checkRefused(send, offered, report)
    if (options.pay !== undefined) paid = await buy(send, options.pay, report)
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
    invoice: offered?.challenge.invoice ?? '',
  })
}

/** Pays a fresh challenge, not one that other probes may have spoilt, and tries what it bought. */
async function buy(
  send: Send,
  { wallet, mostMsat, maxFeeMsat }: NonNullable<DiagnoseOptions['pay']>,
  report: Report,
): Promise<Diagnosis['paid']> {
  const offered = checkUnpaid(await send([]), () => {}, Date.now() / 1000)
  if (offered === undefined) return null
  const { challenge } = offered
  const { amountMsat, network, paymentHash } = decodeInvoice(challenge.invoice)
  if (amountMsat === null || amountMsat > mostMsat) {
    report(
      'note',
      '-',
      `the price (${amountMsat ?? 'none'} msat) is above the cap of ${mostMsat} msat: nothing was paid`,
      'Allow more.',
    )
    return null
  }
  if (network !== wallet.network) {
    report(
      'note',
      '-',
      `the invoice is for ${network}, the wallet is on ${wallet.network}: nothing was paid`,
      'Use a wallet on that network.',
    )
    return null
  }
  const outcome = await wallet.pay({
    invoice: challenge.invoice,
    paymentHash,
    amountMsat,
    maxFeeMsat,
    timeoutMs: 60_000,
  })
  if (outcome.status !== 'paid') {
    report(
      'note',
      '-',
      `the payment came to: ${outcome.status}`,
      'See the wallet; nothing was tried with it.',
    )
    return null
  }
  const preimage = encodeHex(outcome.preimage)
  await checkPaid(send, { macaroon: challenge.macaroon, preimage }, report)
  return { amountMsat, feeMsat: outcome.feeMsat }
}
