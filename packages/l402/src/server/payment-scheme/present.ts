/** A Payment credential is an L402 credential in another envelope: it is unwrapped here, and the gate does the rest. */

import { decodeHex } from '../../core/bytes.ts'
import { formatCredential } from '../../core/credential.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import { decodeJsonObject } from '../../core/payment-scheme/encoding.ts'
import {
  isPaymentChallengeId,
  isPaymentScheme,
  type PaymentChallenge,
  parsePaymentCredential,
} from '../../core/payment-scheme/index.ts'
import { type Refusal, refuse } from '../../core/refusal.ts'
import type { GateRequest, RouteTerms } from '../gate.ts'
import type { KeyRing } from '../keys.ts'
import { CHALLENGE_KEY, isConfidentialRequest } from './offer.ts'

/** What was unwrapped. */
interface Unwrapped {
  /** The request's lines with the L402 credential in the place of the other. */
  readonly headers: HeaderLines
  readonly challengeId: string
}

/** What a request holds of this scheme. */
export type Presented =
  | { readonly state: 'none' }
  | ({ readonly state: 'unwrapped' } & Unwrapped)
  /** `problem` is the last part of the problem's type. */
  | { readonly state: 'refused'; readonly refusal: Refusal; readonly problem: PaymentProblem }

/** Problem types of the draft that a credential meets before it is one of ours; below {@link PROBLEMS}. */
export type PaymentProblem =
  | 'lightning/malformed-credential'
  | 'lightning/unknown-challenge'
  | 'lightning/invalid-preimage'
  | 'payment-expired'
  | 'payment-insufficient'
  | 'verification-failed'
  | 'payment-required'

const NONE: Presented = { state: 'none' }

/** Finds and unwraps. `now` in milliseconds. Never throws for what a client sent. */
export function presentedPayment(request: GateRequest, keys: KeyRing, now: number): Presented {
  const { headers } = request
  let found = -1
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] ?? '').toLowerCase() !== 'authorization' || !isPaymentScheme(headers[i + 1] ?? ''))
      continue
    if (found >= 0)
      return refused(
        'malformed',
        'expected one Payment credential in a request',
        'lightning/malformed-credential',
      )
    found = i
  }
  // Over plain HTTP the scheme does not exist: the preimage in it would be everybody's.
  if (found < 0 || !isConfidentialRequest(request)) return NONE
  const credential = parsePaymentCredential(headers[found + 1] ?? '')
  if (credential === undefined)
    return refused(
      'malformed',
      'expected "Payment <base64url of a JSON object with challenge and payload>"',
      'lightning/malformed-credential',
    )
  const { challenge, payload } = credential
  const macaroon = ours(challenge, keys) ? decodeJsonObject(challenge.opaque ?? '')?.['macaroon'] : undefined
  if (typeof macaroon !== 'string' || challenge.method !== 'lightning' || challenge.intent !== 'charge')
    return refused(
      'bad_signature',
      'the challenge is not one of this server’s',
      'lightning/unknown-challenge',
    )
  const preimage = typeof payload['preimage'] === 'string' ? decodeHex(payload['preimage']) : undefined
  if (preimage?.length !== 32)
    return refused(
      'malformed',
      'expected a payload with a preimage of 64 hex digits',
      'lightning/malformed-credential',
    )
  if (isSingle(request.route) && !(Date.parse(challenge.expires ?? '') >= now))
    return refused(
      'expired',
      'the challenge has ended; what was paid for it is still there for "Authorization: L402 <macaroon>:<preimage>" with the macaroon in its opaque',
      'payment-expired',
    )
  const lines = [...headers]
  lines[found + 1] = formatCredential(macaroon, preimage)
  return { state: 'unwrapped', headers: lines, challengeId: challenge.id }
}

/** Whether any active key made the id. */
function ours(challenge: PaymentChallenge, keys: KeyRing): boolean {
  for (const key of keys.candidates(CHALLENGE_KEY)) if (isPaymentChallengeId(key, challenge)) return true
  return false
}

/** What buys one request ends with its challenge; what buys more ends when it says so itself. */
function isSingle({ grants, charge }: RouteTerms): boolean {
  return charge === undefined && grants.calls === 1
}

function refused(reason: Refusal['reason'], detail: string, problem: PaymentProblem): Presented {
  return { state: 'refused', refusal: refuse(reason, detail), problem }
}
