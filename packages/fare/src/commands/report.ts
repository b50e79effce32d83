import { formatAmount } from '@turnpike/l402'
import type { FetchOutcome, Offer, Purchase } from '@turnpike/l402/client'
import { causeText, printable, sentence } from '../cli/text.ts'
import { type Ending, EXIT, type ExitCode } from '../exit-codes.ts'
import { UnpackError } from '../net/unpack-bounds.ts'
import type { Given } from './deliver.ts'

/** How a run ended, money and answer together. */
export interface End {
  readonly exitCode: ExitCode
  /** What happened to the money, first; then why. */
  readonly message: string
  /** `null` where all went well. */
  readonly error: { readonly code: Ending; readonly reason: string | null } | null
}

const GIVEN = {
  cut: 'the answer broke off',
  unfit: 'the file was not gone on with',
  unwritten: 'the answer could not be written',
}

/** The end of a run from its outcome, its exit code and what became of the answer. */
export function endOf(outcome: FetchOutcome, about: { readonly code: ExitCode; readonly given: Given }): End {
  const { code, given } = about
  if (given.kind !== 'whole') {
    const bomb = given.cause instanceof UnpackError
    const what = bomb ? 'the answer was not unpacked to its end' : GIVEN[given.kind]
    const lost = given.kind !== 'unwritten' && outcome.purchases.length > 0
    const told = sentence(`${paidText(outcome)}, but ${what}: ${printable(causeText(given.cause))}`)
    const kept = bomb && outcome.kind === 'served' && outcome.credentialId !== null
    const message = kept ? `${told} The credential is kept and tried first next time.` : told
    if (outcome.kind !== 'served') return { ...endOf(outcome, { code, given: { kind: 'whole' } }), message }
    return lost
      ? { exitCode: EXIT.notServed, message, error: { code: 'not_served', reason: null } }
      : { exitCode: EXIT.failed, message, error: { code: 'failed', reason: null } }
  }
  const message = moneyFirst(outcome)
  if (outcome.kind === 'served') {
    if (code !== EXIT.httpError) return { exitCode: code, message, error: null }
    const said = `${message} The server answered ${outcome.response.status}.`
    return { exitCode: code, message: said, error: { code: 'http_error', reason: null } }
  }
  const reason = 'reason' in outcome ? outcome.reason : null
  return { exitCode: code, message, error: { code: outcome.kind, reason } }
}

/** What happened to the money, first; then why. A few sentences. */
export function moneyFirst(outcome: FetchOutcome): string {
  const paid = paidText(outcome)
  switch (outcome.kind) {
    case 'served':
      return sentence(paid)
    case 'refused':
    case 'unpayable':
      return sentence(`${paid}: ${printable(outcome.detail)}`)
    case 'payment_failed':
      return sentence(`Nothing was spent: the payment failed: ${printable(outcome.detail)}`)
    case 'payment_unknown':
      return `It is not known whether this was paid: ${sentence(printable(outcome.detail))} Nothing will be paid twice; fare recover looks it up.`
    case 'not_served': {
      const money = outcome.purchases.length === 0 ? 'Paid earlier' : paid
      const { detail, cause } = outcome
      const why = cause === undefined ? detail : `${detail}: ${causeText(cause)}`
      return `${money}, but not served: ${sentence(printable(why))} The credential is kept and tried first next time; --pay-again buys anew.`
    }
    case 'paid_unproven':
      return sentence(`Paid, but the wallet gave no valid preimage: ${printable(outcome.detail)}`)
    case 'wallet_unreachable':
      return sentence(`${paid}: ${printable(outcome.detail)}`)
  }
}

/** `Paid: 10 sat and 3 msat in fees for credential …`, or that nothing was. */
function paidText({ purchases }: FetchOutcome): string {
  const texts = purchases.map(({ amountMsat, feeMsat, resumed, credentialId }) => {
    const fee = feeMsat === 0n ? '' : ` and ${formatAmount(feeMsat)} in fees`
    return `${resumed ? 'Had been paid before' : 'Paid'}: ${formatAmount(amountMsat)}${fee} for credential ${credentialId}`
  })
  return texts.length === 0 ? 'Nothing was paid' : texts.join('; ')
}

/** What {@link jsonReport} needs besides the outcome. */
export interface ReportFacts {
  readonly end: End
  /** The answer that was handed on. */
  readonly answer: Response | null
  readonly file: string | undefined
  /** `null` where it is in the file. */
  readonly body: Uint8Array | null
  readonly bodyBytes: number | null
  readonly resumedFrom: number | null
  readonly ms: number
}

/** The object of `get --json`: always the same fields. Holds no macaroon, invoice or preimage of ours (rule C10). */
export function jsonReport(
  outcome: FetchOutcome,
  { end, answer, file, body, bodyBytes, resumedFrom, ms }: ReportFacts,
): object {
  const spent = outcome.purchases.filter(({ resumed }: Purchase) => !resumed)
  const response = 'response' in outcome ? outcome.response : null
  return {
    ok: end.error === null,
    exitCode: end.exitCode,
    outcome: end.error?.code ?? 'served',
    url: outcome.url,
    status: response?.status ?? null,
    headers: answer && shownHeaders(answer.headers),
    ...bodyFields(file === undefined ? body : null),
    bodyBytes,
    resumedFrom,
    outputFile: file ?? null,
    paid: spent.length > 0,
    spentMsat: spent.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n),
    purchases: outcome.purchases,
    reused: outcome.kind === 'served' && outcome.reused,
    credentialId: 'credentialId' in outcome ? outcome.credentialId : null,
    paymentHash: 'paymentHash' in outcome ? outcome.paymentHash : null,
    offer: 'offer' in outcome ? outcome.offer : null,
    overBudget: 'overBudget' in outcome ? outcome.overBudget : null,
    error: end.error && { ...end.error, message: end.message },
    durationMs: Math.round(ms),
  }
}

function shownHeaders(headers: Headers): Record<string, string> {
  const shown: Record<string, string> = {}
  for (const [name, value] of headers) {
    // Whoever pays the invoice of a challenge owns its macaroon.
    if (name === 'www-authenticate') continue
    // Only Set-Cookie comes line by line; it cannot be joined by commas.
    shown[name] = shown[name] === undefined ? value : `${shown[name]}\n${value}`
  }
  return shown
}

function bodyFields(body: Uint8Array | null): object {
  if (body === null) return { body: null, bodyEncoding: null }
  try {
    return {
      body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body),
      bodyEncoding: 'utf-8',
    }
  } catch {
    return { body: Buffer.from(body).toString('base64'), bodyEncoding: 'base64' }
  }
}

/** An offer as aligned lines. */
export function describeOffer(offer: Offer): readonly (readonly [string, string])[] {
  return [
    ['price', `${formatAmount(offer.amountMsat)} (and at most ${formatAmount(offer.maxFeeMsat)} in fees)`],
    ['network', offer.network],
    ...(offer.scheme === 'Payment' ? [['buys', 'one call, by the Payment scheme'] as const] : []),
    ['payee', offer.payee],
    ['expires', new Date(offer.expiresAt * 1000).toISOString()],
    ...(offer.description === null ? [] : [['for', printable(offer.description)] as const]),
    ...offer.caveats.map((caveat, i) => [i === 0 ? 'caveats' : '', printable(caveat)] as const),
  ]
}
