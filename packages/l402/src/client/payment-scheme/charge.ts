/**
 * A charge of the Payment scheme (protocol §6) as the purse sees it: an invoice, and a text that is kept in the place of a
 * macaroon. So one gate, one state machine and one purse serve both schemes.
 */

import type { L402Challenge } from '../../core/challenge.ts'
import {
  type PaymentChallenge,
  parsePaymentChallenges,
  paymentChallengeOf,
} from '../../core/payment-scheme/challenge.ts'
import { decodeJsonObject, encodeJson, type JsonObject } from '../../core/payment-scheme/encoding.ts'

/** A charge over Lightning that may be paid, if the gate lets it pass. */
export interface Charge {
  readonly scheme: 'Payment'
  /** {@link chargeText}: no macaroon's text has a blank in it. */
  readonly macaroon: string
  readonly invoice: string
  /** As it was received, to be sent back unchanged. */
  readonly challenge: PaymentChallenge
}

/** What a purse can pay for. */
export type PayableChallenge = L402Challenge | Charge

/** What the 402 says in this scheme. */
export interface FoundCharges {
  readonly charges: readonly Charge[]
  /** Whether there was a charge over Lightning that nothing can be paid for. */
  readonly malformed: boolean
  /** `method/intent` of what this purse does not pay. */
  readonly others: readonly string[]
}

const PREFIX = 'Payment '
/** Offers of others that are named to the user. */
const MOST_NAMED = 4

/** The charges in the values of `WWW-Authenticate` lines, in order. Never throws. */
export function findCharges(values: readonly string[]): FoundCharges {
  const charges: Charge[] = []
  const others = new Set<string>()
  let malformed = false
  for (const { doubtful, ...challenge } of parsePaymentChallenges(values)) {
    if (challenge.method !== 'lightning' || challenge.intent !== 'charge') {
      if (others.size < MOST_NAMED) others.add(`${challenge.method}/${challenge.intent}`.slice(0, 64))
      continue
    }
    const charge = doubtful ? undefined : chargeOf(challenge)
    if (charge) charges.push(charge)
    else malformed = true
  }
  return { charges, malformed, others: [...others] }
}

function chargeOf(challenge: PaymentChallenge): Charge | undefined {
  const { invoice } = detailsOf(challenge)
  if (typeof invoice !== 'string' || invoice === '') return undefined
  try {
    return { scheme: 'Payment', macaroon: chargeText(challenge), invoice, challenge }
  } catch {
    // Text that is not Unicode could not be sent back as it came.
    return undefined
  }
}

/** The request's `methodDetails`; empty where there are none. */
export function detailsOf({ request }: PaymentChallenge): JsonObject {
  const details = decodeJsonObject(request)?.['methodDetails']
  return typeof details === 'object' && details !== null && !Array.isArray(details)
    ? (details as JsonObject)
    : {}
}

/** What the books keep of a challenge. Worth money once it is paid: never log it (rule C10). */
function chargeText(challenge: PaymentChallenge): string {
  return PREFIX + encodeJson({ challenge: { ...challenge } })
}

/** The challenge behind a text of the books; `undefined` for a macaroon or an opaque token. */
export function chargedIn(text: string): PaymentChallenge | undefined {
  if (!text.startsWith(PREFIX)) return undefined
  const challenge = decodeJsonObject(text.slice(PREFIX.length))?.['challenge']
  if (typeof challenge !== 'object' || challenge === null || Array.isArray(challenge)) return undefined
  const members = challenge as JsonObject
  return paymentChallengeOf((name) => {
    const value = members[name]
    return typeof value === 'string' ? value : undefined
  })
}

/** A challenge of the books as it was received. */
export function challengeOfBooks({
  macaroon,
  invoice,
}: {
  readonly macaroon: string
  readonly invoice: string
}): PayableChallenge {
  const challenge = chargedIn(macaroon)
  return challenge
    ? { scheme: 'Payment', macaroon, invoice, challenge }
    : { scheme: 'L402', macaroon, invoice }
}
