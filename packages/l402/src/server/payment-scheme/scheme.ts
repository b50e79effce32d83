/** The gate's side of the Payment scheme (protocol §6): what its requests are told besides. */

import { credentialText } from '../../core/credential.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { Network } from '../../core/network.ts'
import { formatPaymentReceipt, type JsonObject } from '../../core/payment-scheme/index.ts'
import type { Reason } from '../../core/refusal.ts'
import type {
  Decision,
  Entitlement,
  GateRequest,
  Refused,
  RefusedReason,
  Replayed,
  StoredAnswer,
} from '../gate.ts'
import type { KeyRing } from '../keys.ts'
import type { PaymentIntent } from './accept-payment.ts'
import { isConfidentialRequest } from './confidential.ts'
import { createPaymentOffers, type PaymentOffers } from './offer.ts'
import {
  openEnvelope,
  ordersOfSession,
  type PaymentProblem,
  type Presented,
  paymentLine,
  presentedPayment,
} from './present.ts'
import { linesForStatus } from './receipt-lines.ts'
import type { Sessions } from './session/desk.ts'

/** See {@link createPaymentScheme}. */
export interface PaymentScheme {
  readonly offers: PaymentOffers
  readonly sessions: Sessions | undefined
  present(request: GateRequest): Presented
  /** A credential in these lines, whatever it was sold for; for the balance, which uses nothing of it. */
  open(asked: Pick<GateRequest, 'headers' | 'base'>): Presented
  /** Whether it holds an order about a session, which ends in the gate: nothing that it holds besides is used, on no route. */
  orders(request: GateRequest): boolean
  /** Whether the request's body is to be read first: a challenge is bound to it, or would be. */
  wantsBody(request: GateRequest): boolean
  /** What the gate decided about an unwrapped credential, in this scheme's words. */
  answered(decision: Decision, challengeId: string, intent?: PaymentIntent): Decision
}

/** What problem types begin with. */
const PROBLEMS = 'https://paymentauth.org/problems/'

/** To whom the scheme is offered: who sends `Accept-Payment`, everybody, nobody. */
export type PaymentSchemeMode = 'asked' | 'always' | 'off'

/** What {@link createPaymentScheme} works with besides keys. */
export interface PaymentSchemeOptions {
  readonly network: Network
  /** Also to requests without `Accept-Payment`. */
  readonly always: boolean
  /** Whether challenges are bound to bodies. */
  readonly bindBodies: boolean
  /** Left out: none are offered. */
  readonly sessions: Sessions | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The scheme over the gate's own keys. */
export function createPaymentScheme(keys: KeyRing, options: PaymentSchemeOptions): PaymentScheme {
  const { now, sessions } = options
  const opening = { keys, sessions: sessions !== undefined }
  const offers = createPaymentOffers(keys, options)
  return {
    offers,
    sessions,
    present: (request) => presentedPayment(request, opening, now()),
    open: (asked) => openEnvelope(asked, opening),
    // Where no sessions are sold, what a free resource is ordered is between it and its client.
    orders: (request) =>
      (sessions !== undefined || !(request.route.free || request.route.shadow === true)) &&
      ordersOfSession(request.headers) &&
      isConfidentialRequest(request),
    wantsBody(request) {
      if (paymentLine(request.headers) === -1)
        return offers.binds(request) && credentialText(request.headers) === undefined
      const opened = openEnvelope(request, opening)
      return opened.state === 'unwrapped' && opened.challenge.digest !== undefined
    },
    answered(decision, challengeId, intent = 'charge') {
      switch (decision.outcome) {
        case 'refuse': {
          const emptied = intent === 'session' && decision.reason === 'exhausted'
          return asProblem(decision, emptied ? 'lightning/insufficient-balance' : problemOf(decision.reason))
        }
        case 'pass':
          return decision.entitlement === null
            ? decision
            : { ...decision, entitlement: withReceipt(decision.entitlement, challengeId, now()) }
        case 'replay':
          return { ...decision, answer: withReceiptAgain(decision, challengeId, now()) }
      }
    },
  }
}

/** Paid, and told so (P-S 8): the payment hash, never the preimage. */
function withReceipt(entitlement: Entitlement, challengeId: string, nowMs: number): Entitlement {
  const receipt = receiptLines(entitlement.paymentHash, challengeId, nowMs)
  return { ...entitlement, answerHeaders: [...entitlement.answerHeaders, ...receipt] }
}

/** A stored answer was paid for as the first one was, and no shared cache may keep it either. */
function withReceiptAgain(
  { answer, paymentHash }: Replayed,
  challengeId: string,
  nowMs: number,
): StoredAnswer {
  const lines = linesForStatus(receiptLines(paymentHash, challengeId, nowMs), answer.status)
  if (lines.length === 0) return answer
  const own = answer.headers.filter((_, i) => answer.headers[i - (i % 2)]?.toLowerCase() !== 'cache-control')
  return { ...answer, headers: [...own, ...lines] }
}

function receiptLines(reference: string, challengeId: string, nowMs: number): HeaderLines {
  const timestamp = new Date(nowMs).toISOString()
  return [
    'Payment-Receipt',
    formatPaymentReceipt({ status: 'success', method: 'lightning', timestamp, reference, challengeId }),
  ]
}

/** A 402's body, or the 401's where nothing is sold, with the type that clients of this scheme know; the code stays. */
export function asProblem(refused: Refused, problem: PaymentProblem, more: JsonObject = {}): Refused {
  const { status } = refused
  if ((status !== 402 && status !== 401) || refused.body === '') return refused
  const body = JSON.parse(refused.body) as Record<string, unknown>
  return { ...refused, body: JSON.stringify({ ...body, ...more, type: PROBLEMS + problem }) }
}

const BY_REASON: Partial<Record<Reason, PaymentProblem>> = {
  missing: 'payment-required',
  malformed: 'lightning/malformed-credential',
  bad_preimage: 'lightning/invalid-preimage',
  expired: 'payment-expired',
  // Consumed: it is nobody's any more.
  exhausted: 'lightning/unknown-challenge',
  revoked: 'lightning/unknown-challenge',
}

function problemOf(reason: RefusedReason): PaymentProblem {
  return BY_REASON[reason as Reason] ?? 'verification-failed'
}
