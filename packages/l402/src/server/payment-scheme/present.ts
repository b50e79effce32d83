/** A Payment credential is an L402 credential in another envelope: it is unwrapped here, and the gate does the rest. */

import { decodeHex } from '../../core/bytes.ts'
import { formatCredential } from '../../core/credential.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import { parsePaymentCredential, paymentTexts } from '../../core/payment-scheme/credential.ts'
import { formatBodyDigest } from '../../core/payment-scheme/digest.ts'
import { decodeJsonObject } from '../../core/payment-scheme/encoding.ts'
import { isPaymentChallengeId, type PaymentChallenge } from '../../core/payment-scheme/index.ts'
import { parseSessionAction, type SessionAction } from '../../core/payment-scheme/session.ts'
import { type Refusal, refuse } from '../../core/refusal.ts'
import type { GateRequest, RouteTerms } from '../gate.ts'
import type { KeyRing } from '../keys.ts'
import { CHALLENGE_KEY } from './challenge-key.ts'
import { isConfidentialRequest } from './confidential.ts'

/** What was unwrapped. */
interface Unwrapped {
  /** The request's lines with the L402 credential in the place of the other. */
  readonly headers: HeaderLines
  readonly challengeId: string
}

/** An action of a session, and the challenge that it stands beside, which is one of ours. */
export interface PresentedSession {
  readonly action: SessionAction
  readonly challenge: PaymentChallenge
  /** Of that challenge, in base64. */
  readonly macaroon: string
  /** The request's lines with an L402 credential in the place of the other. */
  unwrap(macaroon: string): HeaderLines
}

/** What a request holds of this scheme. */
export type Presented =
  | { readonly state: 'none' }
  | ({ readonly state: 'unwrapped' } & Unwrapped)
  /** Of the session intent. */
  | ({ readonly state: 'session' } & PresentedSession)
  /** `problem` is the last part of the problem's type. */
  | { readonly state: 'refused'; readonly refusal: Refusal; readonly problem: PaymentProblem }

/** Problem types of the draft that a credential meets before it is one of ours; below {@link PROBLEMS}. */
export type PaymentProblem =
  | 'lightning/malformed-credential'
  | 'lightning/unknown-challenge'
  | 'lightning/invalid-preimage'
  | 'lightning/session-not-found'
  | 'lightning/session-closed'
  | 'lightning/insufficient-balance'
  | 'lightning/challenge-expired'
  | 'lightning/invalid-return-invoice'
  | 'payment-expired'
  | 'payment-insufficient'
  | 'verification-failed'
  | 'payment-required'

const NONE = { state: 'none' } as const

/** An envelope that was opened, and the challenge that stood in it. */
type Opened =
  | Exclude<Presented, { state: 'unwrapped' }>
  | (Extract<Presented, { state: 'unwrapped' }> & { readonly challenge: PaymentChallenge })

/** Where a credential of this scheme stands in the lines; -1 for nowhere, -2 for several places. */
export function paymentLine(headers: HeaderLines): number {
  let found = -1
  for (let i = 0; i < headers.length; i += 2) {
    if (!isAuthorization(headers[i])) continue
    const { length } = paymentTexts(headers[i + 1] ?? '')
    if (length === 0) continue
    if (found !== -1 || length > 1) return -2
    found = i
  }
  return found
}

function isAuthorization(name = ''): boolean {
  return name.length === 13 && name.toLowerCase() === 'authorization'
}

/**
 * Whether the request orders what is answered in the place of the resource: that a session be topped up, or closed. Such an
 * order is never passed over for a credential beside it: V2 is about what opens a resource, and this asks for none.
 */
export function ordersOfSession(headers: HeaderLines): boolean {
  const found = paymentLine(headers)
  if (found >= 0) return hasOrder(headers[found + 1])
  // Several credentials are one too many, but no less an order.
  return (
    found === -2 &&
    headers.some((value, i) => i % 2 === 1 && isAuthorization(headers[i - 1]) && hasOrder(value))
  )
}

function hasOrder(value = ''): boolean {
  return paymentTexts(value).some((text) => {
    const credential = parsePaymentCredential(text)
    if (credential?.challenge.intent !== 'session') return false
    const { action } = credential.payload
    return action === 'topUp' || action === 'close'
  })
}

/** Where envelopes are opened. */
export interface Opening {
  readonly keys: KeyRing
  /** Whether there are sessions. */
  readonly sessions: boolean
}

/** Finds and unwraps, for whatever the credential was sold. Never throws for what a client sent. */
export function openEnvelope(
  asked: Pick<GateRequest, 'headers' | 'base'>,
  { keys, sessions }: Opening,
): Opened {
  const { headers } = asked
  const found = paymentLine(headers)
  if (found === -2)
    return refused(
      'malformed',
      'expected one Payment credential in a request',
      'lightning/malformed-credential',
    )
  // Over plain HTTP the scheme does not exist: the preimage in it would be everybody's.
  if (found < 0 || !isConfidentialRequest(asked)) return NONE
  const value = headers[found + 1] ?? ''
  const [text = ''] = paymentTexts(value)
  const credential = parsePaymentCredential(text)
  if (credential === undefined)
    return refused(
      'malformed',
      'expected "Payment <base64url of a JSON object with challenge and payload>"',
      'lightning/malformed-credential',
    )
  const { challenge, payload } = credential
  const macaroon = ours(challenge, keys) ? decodeJsonObject(challenge.opaque ?? '')?.['macaroon'] : undefined
  const session = challenge.intent === 'session' && sessions
  if (
    typeof macaroon !== 'string' ||
    challenge.method !== 'lightning' ||
    (challenge.intent !== 'charge' && !session)
  )
    return refused(
      'bad_signature',
      'the challenge is not one of this server’s',
      'lightning/unknown-challenge',
    )
  // What was joined to it in one line stays.
  const unwrap = (macaroon: string, preimage: Uint8Array): HeaderLines => {
    const lines = [...headers]
    lines[found + 1] = value.replace(text, () => formatCredential(macaroon, preimage))
    return lines
  }
  if (session) {
    const action = parseSessionAction(payload)
    return action === undefined
      ? refused(
          'malformed',
          'expected a payload with an action (open, bearer, topUp, close) and what belongs to it',
          'lightning/malformed-credential',
        )
      : { state: 'session', action, challenge, macaroon, unwrap: (of) => unwrap(of, action.preimage) }
  }
  const preimage = typeof payload['preimage'] === 'string' ? decodeHex(payload['preimage']) : undefined
  if (preimage?.length !== 32)
    return refused(
      'malformed',
      'expected a payload with a preimage of 64 hex digits',
      'lightning/malformed-credential',
    )
  return { state: 'unwrapped', headers: unwrap(macaroon, preimage), challengeId: challenge.id, challenge }
}

/** Finds and unwraps what may open this request. `now` in milliseconds. Never throws for what a client sent. */
export function presentedPayment(request: GateRequest, opening: Opening, now: number): Presented {
  const opened = openEnvelope(request, opening)
  if (opened.state !== 'unwrapped') return opened
  const { challenge, ...unwrapped } = opened
  if (buysOneCall(request.route) && !(Date.parse(challenge.expires ?? '') >= now))
    return refused(
      'expired',
      'the challenge has ended; what was paid for it is still there for "Authorization: L402 <macaroon>:<preimage>" with the macaroon in its opaque',
      'payment-expired',
    )
  if (challenge.digest !== undefined && !isDigestOf(challenge.digest, request))
    return refused(
      'caveat_failed',
      'the challenge was made for another body: expected the very body that it answered',
      'verification-failed',
      'digest',
    )
  return unwrapped
}

/** A body that was not read is not the one. */
function isDigestOf(digest: string, { bodyDigest }: GateRequest): boolean {
  return bodyDigest !== undefined && digest === formatBodyDigest(bodyDigest)
}

/** Whether any active key made the id. */
function ours(challenge: PaymentChallenge, keys: KeyRing): boolean {
  for (const key of keys.candidates(CHALLENGE_KEY)) if (isPaymentChallengeId(key, challenge)) return true
  return false
}

/** What buys one request ends with its challenge, and is for its body; what buys more ends when it says so itself. */
export function buysOneCall({ grants, charge }: RouteTerms): boolean {
  return charge === undefined && grants.calls === 1
}

function refused(
  reason: Refusal['reason'],
  detail: string,
  problem: PaymentProblem,
  condition?: string,
): Extract<Presented, { state: 'refused' }> {
  const extra = condition === undefined ? {} : { condition }
  return { state: 'refused', refusal: refuse(reason, detail, extra), problem }
}
