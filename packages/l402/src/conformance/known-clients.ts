/**
 * How published clients read a challenge, each as its own parser does: what it finds, or why it finds nothing. Facts about
 * programs of others; see docs/interoperability.md.
 */

import { findL402Challenges } from '../core/challenge.ts'
import { parsePaymentChallenges } from '../core/payment-scheme/index.ts'

/** What a client can do with an answer. */
export interface ClientReading {
  readonly client: string
  readonly buys: boolean
  /** Why not; empty where it buys. */
  readonly why: string
}

/** An unpaid answer as clients see it. */
export interface Unpaid {
  readonly status: number
  /** The `WWW-Authenticate` lines in order. */
  readonly lines: readonly string[]
  /** Those to a request with `Accept-Payment`. */
  readonly linesForPayment: readonly string[]
  /** Whether macaroon and identifier are binary, in padded standard base64, and of this payment (rule S4). */
  readonly isWellMinted: boolean
  /** BOLT 11; empty where no wallet could pay it. */
  readonly invoice: string
}

const QUOTED = /^(?:L402|LSAT) macaroon="([^"]+)",\s*invoice="([^"]+)"/i
const STRICT = /^(?:LSAT|L402) macaroon="(.*?)", invoice="(.*?)"/
const LOOSE = /(?:L402|LSAT)\s+macaroon="?([^",\s]+)"?\s*,\s*invoice="?([^",\s]+)"?/i

const NOT_402 = 'it pays on 402 alone'
const NOT_MINTED =
  'it needs a binary macaroon in padded standard base64 whose 66-byte identifier names the invoice’s hash'

const NO_SCHEME = 'it sends no scheme back where the first is not L402 in capitals'
const NO_INVOICE = 'no wallet can pay its invoice'
/** Its invoice stands elsewhere. */
const PAYMENT_CLIENT = 'mppx'

type Judge = (unpaid: Unpaid) => string

const judges: Readonly<Record<string, Judge>> = {
  lnget: ({ lines, isWellMinted }) => {
    if (!QUOTED.test(lines[0] ?? ''))
      return 'it reads the first line alone, macaroon then invoice, in quotes, right behind the scheme'
    return isWellMinted ? '' : NOT_MINTED
  },
  'Aperture’s Go client (Loop, Pool)': ({ lines, isWellMinted }) => {
    if (!lines.some((line) => STRICT.test(line)))
      return 'it wants a line that begins with L402 or LSAT in capitals and macaroon="…", invoice="…" with one blank between'
    return isWellMinted ? '' : NOT_MINTED
  },
  L402sdk: ({ lines, invoice }) => {
    if (!/^(?:L402|LSAT) /.test(lines[0] ?? '') || !hasBoth(lines.slice(0, 1)))
      return 'it reads the first line alone, and only where the scheme is in capitals'
    return /^ln(?:bc|tb)/.test(invoice) ? '' : 'it takes invoices of mainnet and testnet alone'
  },
  'l402 (sulu)': ({ lines }) => {
    const joined = lines.join(', ')
    if (!/invoice="([\w|\d]+)"/.test(joined) || !/macaroon="([\w|\d+/=_-]+)"/.test(joined))
      return 'it wants macaroon="…" and invoice="…" in quotes'
    return /^(?:LSAT|L402)/.test(joined) ? '' : NO_SCHEME
  },
  'Alby lightning-tools': ({ lines }) =>
    hasBoth(lines) ? '' : 'it finds no macaroon or token with an invoice',
  'l402-requests': ({ lines }) =>
    LOOSE.test(lines.join(', ')) ? '' : 'it wants macaroon and then invoice right behind the scheme',
  pyl402: ({ lines }) => {
    const joined = lines.join(', ')
    if (!/invoice="[^"]+"/.test(joined) || !/macaroon="[^"]+"/.test(joined))
      return 'it wants macaroon="…" and invoice="…" in quotes'
    return /^(?:LSAT|L402)/.test(joined) ? '' : NO_SCHEME
  },
  bolthub: ({ lines }) => {
    const joined = lines.join(', ')
    return /invoice="[^"]+"/.test(joined) && /(?:macaroon|\btoken)="[^"]+"/.test(joined)
      ? ''
      : 'it wants macaroon="…" or token="…", and invoice="…", in quotes'
  },
  'Lightning Enable MCP': ({ lines }) =>
    lines.some((line) => /macaroon="[^"]+"/.test(line) && /invoice="[^"]+"/.test(line))
      ? ''
      : 'it wants macaroon="…" and invoice="…" in quotes in one line',
  '402index': ({ lines, invoice, isWellMinted }) => {
    if (!/^L402 /.test(lines[0] ?? '')) return 'it wants L402 at the start of the first line'
    if (invoice.length < 100) return 'it takes an invoice of fewer than 100 characters for none'
    return isWellMinted ? '' : NOT_MINTED
  },
  [PAYMENT_CLIENT]: ({ linesForPayment }) =>
    parsePaymentChallenges(linesForPayment).some(
      ({ method, intent, doubtful }) => method === 'lightning' && intent === 'charge' && !doubtful,
    )
      ? ''
      : 'it needs a Payment challenge (lightning/charge) in the answer to Accept-Payment',
}

function hasBoth(lines: readonly string[]): boolean {
  return findL402Challenges([lines.join(', ')]).length > 0
}

/** What each known client can do with an unpaid answer. */
export function readingsOf(unpaid: Unpaid): readonly ClientReading[] {
  return Object.entries(judges).map(([client, judge]) => {
    // Alby's never looks at the status.
    const read = unpaid.status !== 402 && !client.startsWith('Alby') ? NOT_402 : judge(unpaid)
    const why = read === '' && unpaid.invoice === '' && client !== PAYMENT_CLIENT ? NO_INVOICE : read
    return { client, buys: why === '', why }
  })
}
