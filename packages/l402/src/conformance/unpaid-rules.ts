/** The rules for a challenge (protocol §1), each asked of an unpaid answer. */

import { decodeInvoice, type Invoice } from '../core/bolt11/index.ts'
import { decodeBase64, encodeBase64, equalBytes } from '../core/bytes.ts'
import { findL402Challenges, type L402Challenge } from '../core/challenge.ts'
import { isL402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import { type Came, linesOf } from './ask.ts'
import type { Report } from './finding.ts'

/** What an unpaid answer holds. */
export interface Offered {
  readonly challenge: L402Challenge
  readonly invoice: Invoice
  /** Rule S4 holds. */
  readonly isWellMinted: boolean
}

/** Too short for people and slow routes. */
const SHORT_SECONDS = 60

const S2 = /^L402 macaroon="([^"]+)", invoice="([^"]+)", version="0", token="\1"$/

/** Checks an answer to a request without a credential; `undefined` where there is nothing that can be bought. */
export function checkUnpaid(came: Came, report: Report, nowSeconds: number): Offered | undefined {
  const lines = linesOf(came, 'www-authenticate')
  if (came.status !== 402) {
    const remedy =
      'Answer 402 with a challenge to whatever lacks a valid credential; most clients pay on 402 alone.'
    report('error', 'S1', `an unpaid request is answered ${came.status}, not 402`, remedy)
  }
  if (came.status >= 300 && came.status < 400) checkRedirect(came, report)
  if (came.end !== 'whole')
    report(
      came.status === 402 ? 'error' : 'note',
      'S6',
      `the body of the ${came.status} ${came.end}`,
      'End every 402: clients read its body before they pay.',
    )
  const [challenge] = findL402Challenges(lines)
  if (challenge === undefined) {
    report('error', 'S2', `no usable L402 challenge in ${lines.length} WWW-Authenticate lines`, SPELLING)
    return undefined
  }
  if (!/^L402 /.test(lines[0] ?? ''))
    report(
      'error',
      'S3',
      'the first WWW-Authenticate line is not the L402 one',
      'Put L402 first: some clients read nothing else.',
    )
  if (lines.some((line) => findL402Challenges([line]).length > 1 || /,\s*(?:Payment|LSAT|L402)\s/.test(line)))
    report(
      'warning',
      'S3',
      'several challenges stand in one line',
      'Give each challenge a field line of its own.',
    )
  if (!lines.some((line) => S2.test(line)))
    report('warning', 'S2', 'the challenge is not spelled as all clients can read it', SPELLING)
  const invoice = checkInvoice(challenge, report, nowSeconds)
  const isWellMinted = invoice !== undefined && checkMinted(challenge, invoice, report)
  checkHeaders(came, report)
  checkBody(came, challenge, report)
  return invoice === undefined ? undefined : { challenge, invoice, isWellMinted }
}

/** Clients that follow end where nobody probed. */
function checkRedirect(came: Came, report: Report): void {
  const [location = ''] = linesOf(came, 'location')
  const shown = /^[\x21-\x7e]{1,200}$/.test(location) ? ` to ${location}` : ''
  report('note', '-', `the answer is a redirect${shown}, which was not followed`, 'Probe what it leads to.')
}

const SPELLING = 'Write exactly: L402 macaroon="M", invoice="I", version="0", token="M"'

function checkInvoice(
  { invoice: text }: L402Challenge,
  report: Report,
  nowSeconds: number,
): Invoice | undefined {
  let invoice: Invoice
  try {
    invoice = decodeInvoice(text)
  } catch (error) {
    if (!isL402Error(error)) throw error
    report('error', 'S4', 'the invoice is not BOLT 11', 'Hand on the node’s invoice unchanged.')
    return undefined
  }
  if (invoice.amountMsat === undefined || invoice.amountMsat === null)
    report(
      'error',
      'S7',
      'the invoice names no amount',
      'Make invoices for the price; a careful client refuses others.',
    )
  const left = Number(invoice.timestamp) + Number(invoice.expirySeconds) - nowSeconds
  if (left < SHORT_SECONDS)
    report(
      'warning',
      'S4',
      `the invoice ends in ${Math.max(0, Math.floor(left))} s`,
      'Let invoices live for 10 minutes or more.',
    )
  return invoice
}

function checkMinted({ macaroon: text }: L402Challenge, invoice: Invoice, report: Report): boolean {
  const bytes = decodeBase64(text)
  let isRight = false
  try {
    if (bytes !== undefined) {
      const { identifier } = decodeMacaroon(bytes)
      isRight = equalBytes(decodeIdentifier(identifier).paymentHash, invoice.paymentHash)
      if (!isRight)
        report(
          'error',
          'S4',
          'the macaroon is for another payment hash than the invoice',
          'Mint each macaroon for its own invoice: what is paid here opens nothing.',
        )
    }
  } catch (error) {
    if (!isL402Error(error)) throw error
  }
  if (bytes === undefined || !isRight) {
    report(
      'error',
      'S4',
      'the token is no macaroon that Lightning clients know',
      'Use a binary v2 macaroon with the 66-byte identifier: version 0, payment hash, token id.',
    )
    return false
  }
  if (encodeBase64(bytes) === text) return true
  report(
    'error',
    'S4',
    'the macaroon is not in padded standard base64',
    'Write standard base64 with padding.',
  )
  return false
}

function checkHeaders(came: Came, report: Report): void {
  const control = linesOf(came, 'cache-control').join(', ')
  if (!/\bno-store\b/.test(control))
    report('warning', 'S5', 'the challenge may be cached', 'Send Cache-Control: no-store with every 402.')
}

function checkBody(came: Came, { invoice }: L402Challenge, report: Report): void {
  const [type = ''] = linesOf(came, 'content-type')
  const remedy = 'Send application/problem+json with code, invoice, macaroon, priceSats and priceMsat.'
  if (!/json/.test(type)) {
    report('note', 'S6', 'the body says nothing that a machine can read', remedy)
    return
  }
  try {
    const body = JSON.parse(came.body) as Record<string, unknown> | null
    if (body?.['invoice'] !== undefined && body['invoice'] !== invoice)
      report('warning', 'S6', 'body and header name two invoices', 'Say in the body what the header says.')
    if (typeof body?.['code'] !== 'string') report('note', 'S6', 'the body names no reason', remedy)
  } catch {
    report('warning', 'S6', 'the body calls itself JSON and is none', remedy)
  }
}
