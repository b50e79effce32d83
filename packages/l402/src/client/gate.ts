/** The pay gate (rule C2): whether a challenge may be paid at all. Fails closed; nothing here asks a wallet. */

import { formatAmount } from '../core/amount.ts'
import { parseAuthChallenges } from '../core/auth-header.ts'
import { decodeInvoice, type Invoice } from '../core/bolt11/index.ts'
import { encodeHex, equalBytes } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { isL402Error } from '../core/errors.ts'
import type { OverBudget } from '../stores/purse.ts'
import { canCarry } from './carry.ts'
import { boundHash, fitnessOf, readMacaroon, shownCaveats, shownText } from './credential-facts.ts'
import type { Hop } from './hop.ts'
import { findCharges, type PayableChallenge } from './payment-scheme/charge.ts'
import { chargeEnd, objectionTo } from './payment-scheme/check-charge.ts'
import type { Run } from './run.ts'
import { hostOf } from './scope.ts'
import type { ChallengeReason, Offer, PolicyReason } from './types.ts'

/** An invoice, and a credential of its own, must last this much longer to be paid. */
export const EXPIRY_MARGIN_SECONDS = 10
/** More than all bitcoin there will ever be. */
const MOST_MSAT = 2_100_000_000_000_000_000n
/** A credential must fit a header that servers read (rule V6). */
const MOST_MACAROON_TEXT = 12 * 1024

/** A challenge that may be paid as far as it can be told without a wallet. */
export interface Payable {
  readonly ok: true
  readonly challenge: PayableChallenge
  readonly invoice: Invoice
  readonly amountMsat: bigint
  readonly maxFeeMsat: bigint
  readonly offer: Offer
}

/** Why not. */
export interface NotPaid {
  readonly ok: false
  readonly kind: 'refused' | 'unpayable'
  readonly reason: PolicyReason | ChallengeReason
  readonly detail: string
  readonly offer: Offer | null
  readonly overBudget: OverBudget | null
}

/** Makes a {@link NotPaid} for policy. */
export function refusedBy(
  reason: PolicyReason,
  detail: string,
  about: { offer?: Offer | null; overBudget?: OverBudget | null } = {},
): NotPaid {
  const { offer = null, overBudget = null } = about
  return { ok: false, kind: 'refused', reason, detail, offer, overBudget }
}

/** Makes a {@link NotPaid} for the challenge. */
export function unpayable(reason: ChallengeReason, detail: string, offer: Offer | null = null): NotPaid {
  return { ok: false, kind: 'unpayable', reason, detail, offer, overBudget: null }
}

/** The {@link NotPaid} for a credential that cannot stand beside what the user sends (rule C6). */
export function ownAuthorization(offer: Offer | null = null): NotPaid {
  const detail = 'the request has its own Authorization, which is never replaced'
  return refusedBy('own_authorization', detail, { offer })
}

/** The challenges in a 402's header (rule C1), or why there are none to pay. */
export function challengesOf(response: Response): readonly PayableChallenge[] | NotPaid {
  const header = response.headers.get('www-authenticate')
  const values = header === null ? [] : [header]
  const payment = findCharges(values)
  const found = [...findL402Challenges(values), ...payment.charges]
  if (found.length > 0) return found
  const meant = parseAuthChallenges(values).some(({ scheme }) => /^(l402|lsat)$/i.test(scheme))
  if (meant) return unpayable('malformed', 'the L402 challenge lacks a usable macaroon or invoice')
  if (payment.malformed)
    return unpayable('malformed', 'the charge of the Payment scheme has no usable invoice')
  const none = 'the server answers 402 without an L402 challenge in its header'
  const { others } = payment
  const offered =
    others.length === 0 ? '' : `; it offers ${shownText(others.join(', '))}, which is not paid here`
  return unpayable('no_challenge', none + offered)
}

/** Decodes and checks one challenge of {@link challengesOf} or of a quote. */
function checkChallenge(run: Run, hop: Hop, challenge: PayableChallenge): Payable | NotPaid {
  const invoice = readInvoice(challenge.invoice)
  if (typeof invoice === 'string') return unpayable('malformed', invoice)
  const charge = challenge.scheme === 'Payment' ? challenge : undefined
  const macaroon = charge ? undefined : readMacaroon(challenge.macaroon)
  const amountMsat = invoice.amountMsat ?? 0n
  const maxFeeMsat = run.feeReserve(amountMsat)
  const offer: Offer = {
    scheme: charge ? 'Payment' : 'L402',
    paymentHash: encodeHex(invoice.paymentHash),
    amountMsat,
    maxFeeMsat,
    payee: encodeHex(invoice.payee),
    network: invoice.network,
    expiresAt: chargeEnd(charge?.challenge.expires, invoice.expiresAt),
    description: invoice.description === null ? null : shownText(invoice.description),
    caveats: shownCaveats(macaroon),
  }
  const nowSeconds = Math.floor(run.now() / 1000) + EXPIRY_MARGIN_SECONDS
  const networks = run.options.networks ?? (run.knownWallet && [run.knownWallet.network])
  if (networks && !networks.includes(invoice.network))
    return unpayable('wrong_network', `the invoice is for ${invoice.network}`, offer)
  if (amountMsat <= 0n) return unpayable('no_amount', 'the invoice names no amount', offer)
  if (amountMsat > MOST_MSAT) return unpayable('malformed', 'the invoice asks for more than there is', offer)
  if (challenge.macaroon.length > MOST_MACAROON_TEXT)
    return unpayable('malformed', 'the macaroon is too long to be sent back', offer)
  const bound = macaroon && boundHash(macaroon)
  if (bound && !equalBytes(bound, invoice.paymentHash))
    return unpayable('hash_mismatch', 'the invoice does not pay for the macaroon beside it', offer)
  const objection = charge && objectionTo(charge, invoice, hop)
  if (objection) return unpayable(objection.reason, objection.detail, offer)
  if (offer.expiresAt <= nowSeconds)
    return unpayable('expired', 'the invoice has expired or is about to', offer)
  const request = { method: hop.method, path: hop.url.pathname, nowSeconds }
  if (fitnessOf(macaroon, request) === 'expired')
    return unpayable('expired', 'the credential on offer has expired or is about to', offer)
  return { ok: true, challenge, invoice, amountMsat, maxFeeMsat, offer }
}

/** `L402` before `LSAT`, and what buys one call only after what may buy more. */
const SCHEMES: readonly PayableChallenge['scheme'][] = ['L402', 'LSAT', 'Payment']

/** The first payable challenge in the order of {@link SCHEMES}, those first that the request leaves room for; else why the first is not. */
export function firstPayable(run: Run, hop: Hop, challenges: readonly PayableChallenge[]): Payable | NotPaid {
  const rank = ({ scheme, macaroon }: PayableChallenge): number =>
    SCHEMES.indexOf(scheme) + (canCarry(run, hop, macaroon) ? 0 : SCHEMES.length)
  const ordered = [...challenges].sort((a, b) => rank(a) - rank(b))
  const checked = ordered.map((challenge) => checkChallenge(run, hop, challenge))
  return checked.find((one) => one.ok) ?? checked[0] ?? unpayable('no_challenge', 'there is no challenge')
}

/** What policy forbids whatever the price: paying at all, or paying here. */
export function forbidden(run: Run, hop: Hop): NotPaid | undefined {
  const { noPay, maxMsat, allowHost, payOtherHosts } = run.options
  const host = hostOf(hop.url)
  if (noPay || maxMsat === 0n) return refusedBy('no_pay', 'paying is turned off')
  if (hop.downgraded)
    return refusedBy('downgrade', 'a redirect led from https to http; nothing is paid there')
  if (allowHost && !allowHost(host)) return refusedBy('host_not_allowed', `paying ${host} is not allowed`)
  if (payOtherHosts === false && host !== hop.askedHost)
    return refusedBy('host_not_allowed', 'a redirect led to another host; nothing is paid there')
  return undefined
}

/** Whether this payment would break the limit of the run. */
export function overMax(run: Run, payable: Payable): NotPaid | undefined {
  const { maxMsat } = run.options
  const wouldBeMsat = run.spentMsat + payable.amountMsat + payable.maxFeeMsat
  if (maxMsat === undefined || wouldBeMsat <= maxMsat) return undefined
  const overBudget: OverBudget = { ok: false, limit: 'max', limitMsat: maxMsat, wouldBeMsat }
  return refusedBy('over_max', overDetail(overBudget), { offer: payable.offer, overBudget })
}

/** Whether policy and limits allow this payment now. Holds nothing yet. */
export async function checkPolicy(run: Run, hop: Hop, payable: Payable): Promise<NotPaid | undefined> {
  const { amountMsat, maxFeeMsat, offer } = payable
  const why = forbidden(run, hop)
  if (why) return { ...why, offer }
  const host = hostOf(hop.url)
  const cost = { host, payee: offer.payee, task: run.task, amountMsat, maxFeeMsat, createdAtMs: run.now() }
  const fits = await run.purse.fits(cost, await run.budget())
  if (!fits.ok) return refusedByBudget(fits, offer)
  return overMax(run, payable)
}

const BUDGET_REASONS: Readonly<Record<string, PolicyReason>> = {
  'host list': 'host_not_allowed',
  'payee list': 'payee_not_allowed',
  unserved: 'host_suspended',
}

/** What the purse answered, as a refusal. */
export function refusedByBudget(over: OverBudget, offer: Offer): NotPaid {
  const reason = BUDGET_REASONS[over.limit] ?? 'over_budget'
  return refusedBy(reason, overDetail(over), { offer, overBudget: reason === 'over_budget' ? over : null })
}

/** One sentence about a limit. */
function overDetail(over: OverBudget): string {
  if (over.limit === 'host list') return 'the list of hosts that may be paid does not allow this one'
  if (over.limit === 'payee list') return 'the list of payees that may be paid does not allow this one'
  if (over.limit === 'unserved')
    return `this host was paid and did not serve ${over.wouldBeMsat} times; it is not paid until that is longer ago, or forgiven`
  const show = (msat: bigint): string =>
    over.limit.endsWith('count') ? `${msat} payments` : formatAmount(msat)
  return `the limit "${over.limit}" is ${show(over.limitMsat)}; with this payment and its fee reserve it would be ${show(over.wouldBeMsat)}`
}

function readInvoice(text: string): Invoice | string {
  try {
    return decodeInvoice(text)
  } catch (error) {
    if (isL402Error(error, 'malformed'))
      return `the challenge's invoice cannot be read: ${shownText(error.message)}`
    throw error
  }
}
