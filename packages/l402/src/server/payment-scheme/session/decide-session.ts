/** What the gate does about a session's actions: `topUp` and `close` end here, `open` and `bearer` go on as what L402 would be. */

import { encodeHex, equalBytes } from '../../../core/bytes.ts'
import type { ServicePolicy, Summary } from '../../../core/clear.ts'
import { formatCredential } from '../../../core/credential.ts'
import { sha256 } from '../../../core/hash.ts'
import type { HeaderLines } from '../../../core/header-lines.ts'
import { decodeJsonObject } from '../../../core/payment-scheme/encoding.ts'
import { type Refusal, refuse } from '../../../core/refusal.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { redemptionOf } from '../../admission.ts'
import { unsoldAnswer } from '../../answers.ts'
import type { Decision, GateRequest, Refused } from '../../gate.ts'
import { type CachedCredential, standingWith } from '../../verdict-cache.ts'
import type { PaymentProblem, PresentedSession } from '../present.ts'
import { asProblem, type PaymentScheme } from '../scheme.ts'
import { closedAnswer, toppedUpAnswer } from './answers.ts'
import type { Deposit, SessionFault } from './deposit.ts'
import type { Sessions } from './desk.ts'
import type { SessionRecord } from './record.ts'
import type { Closing } from './refund.ts'

/** What the gate does itself. */
export interface SessionGate {
  /** Decides on a request with an L402 credential. */
  decide(request: GateRequest): Decision | Promise<Decision>
  /** Refuses with a challenge, and gives nothing away. */
  sell(request: GateRequest, refusal: Refusal): Decision | Promise<Decision>
  /** The credential in these lines; throws `store_unavailable`. */
  verify(headers: HeaderLines): Promise<CachedCredential | Refusal>
  /** By service. */
  readonly policies: ReadonlyMap<string, ServicePolicy>
  /** Whether it opens this request, used up or not. */
  satisfy(cached: CachedCredential, summary: Summary | Refusal, request: GateRequest): Summary | Refusal
  /** Why its payment cannot be taken for settled: an answer, or a refusal. */
  unsettled(cached: CachedCredential, request: GateRequest): Promise<Refused | Refusal | undefined>
  booksDown(request: GateRequest, error: unknown): Refused
  readonly ledger: Pick<Ledger, 'isRevoked'>
  readonly now: () => number
}

/** A refusal in the scheme's words. */
interface Told {
  readonly refusal: Refusal
  readonly problem: PaymentProblem
  readonly closing?: Closing
}

/** Decides on requests with a session's action. Never throws for what a client sent. */
export function sessionDecider(
  payment: PaymentScheme | undefined,
  gate: SessionGate,
): (request: GateRequest, presented: PresentedSession) => Promise<Decision> {
  const sessions = payment?.sessions
  return async (request, presented) => {
    // Not opened where there are none: see `openEnvelope`.
    if (payment === undefined || sessions === undefined) return refuseAs(request, NOT_FOUND, gate)
    return decideSession(presented, request, { payment, sessions, gate })
  }
}

async function decideSession(
  presented: PresentedSession,
  request: GateRequest,
  {
    payment,
    sessions,
    gate,
  }: { readonly payment: PaymentScheme; readonly sessions: Sessions; readonly gate: SessionGate },
): Promise<Decision> {
  const { action, challenge } = presented
  try {
    switch (action.action) {
      case 'open': {
        const deposit = await depositOf(presented, request, gate)
        if ('outcome' in deposit) return deposit
        if ('problem' in deposit) return refuseAs(request, deposit, gate)
        const here = gate.policies.get(request.route.service)
        const own = here === undefined ? deposit.summary : standingWith(deposit.cached, here).summary
        const fits = gate.satisfy(deposit.cached, own, request)
        if (!fits.ok) return refuseAs(request, { refusal: fits, problem: 'verification-failed' }, gate)
        const opened = await sessions.open(deposit, action)
        if (typeof opened === 'string' || 'fault' in opened) return refuseAs(request, faultOf(opened), gate)
        return goOn(opened)
      }
      case 'bearer': {
        const own = await ownSession(presented, sessions)
        return 'problem' in own ? refuseAs(request, own, gate) : goOn(own)
      }
      case 'topUp': {
        const found = await sessions.find(action.sessionId)
        if (found.state === 'none') return refuseAs(request, NOT_FOUND, gate)
        const deposit = await depositOf(presented, request, gate)
        if ('outcome' in deposit) return deposit
        if ('problem' in deposit) return refuseAs(request, deposit, gate)
        const fault = await sessions.topUp(found.record, deposit)
        if (fault !== undefined) return refuseAs(request, faultOf(fault), gate)
        return toppedUpAnswer(receiptOf(action.sessionId))
      }
      case 'close': {
        const own = await ownSession(presented, sessions, 'closed too')
        if ('problem' in own) return refuseAs(request, own, gate)
        const closing = await sessions.close(own, challenge.id)
        if (typeof closing !== 'string' && 'refundStatus' in closing)
          return closedAnswer(receiptOf(action.sessionId), closing)
        const earlier = await sessions.closing(own)
        return refuseAs(request, earlier === undefined ? CLOSED : { ...CLOSED, closing: earlier }, gate)
      }
    }
  } catch (error) {
    return gate.booksDown(request, error)
  }

  function receiptOf(sessionId: Uint8Array) {
    return { reference: encodeHex(sessionId), challengeId: challenge.id, nowMs: gate.now() }
  }

  async function goOn(record: SessionRecord): Promise<Decision> {
    sessions.touch(record.sessionId)
    const decision = await gate.decide({ ...request, headers: presented.unwrap(record.macaroon) })
    const answered = payment.answered(decision, challenge.id, 'session')
    if (answered.outcome !== 'pass' || answered.entitlement === null) return answered
    return { ...answered, entitlement: { ...answered.entitlement, session: sessions.streaming(record) } }
  }
}

/**
 * The session that a client's proof is for: it is there, and this challenge opens it. Nothing is used of it. Throws
 * `store_unavailable`.
 */
export async function ownSession(
  { action, macaroon }: PresentedSession,
  sessions: Sessions,
  closedToo?: 'closed too',
): Promise<SessionRecord | Told> {
  const sessionId = action.action === 'open' ? Uint8Array.from(sha256(action.preimage)) : action.sessionId
  if (!equalBytes(sha256(action.preimage), sessionId))
    return {
      refusal: refuse('bad_preimage', 'the preimage is not the one of the session’s deposit'),
      problem: 'lightning/invalid-preimage',
    }
  const found = await sessions.find(sessionId)
  if (found.state === 'none') return NOT_FOUND
  const { record } = found
  // Whoever forwarded the deposit knows its preimage, and not this challenge.
  if ((sessions.pin || record.pinned) && macaroon !== record.macaroon)
    return {
      refusal: refuse(
        'bad_signature',
        'this session is opened by the challenge that it began with and no other',
      ),
      problem: 'lightning/unknown-challenge',
    }
  if (found.state === 'open' || closedToo !== undefined) return record
  const closing = await sessions.closing(record)
  return closing === undefined ? CLOSED : { ...CLOSED, closing }
}

const NOT_FOUND: Told = {
  refusal: refuse('unknown_key', 'there is no such session here: open one'),
  problem: 'lightning/session-not-found',
}
const CLOSED: Told = {
  refusal: refuse('exhausted', 'this session is closed: open another one'),
  problem: 'lightning/session-closed',
}

/** What the client has paid for the challenge that it echoes. Throws `store_unavailable`. */
async function depositOf(
  { action, challenge, macaroon }: PresentedSession,
  request: GateRequest,
  gate: SessionGate,
): Promise<(Deposit & { readonly cached: CachedCredential }) | Told | Refused> {
  const cached = await gate.verify(['Authorization', formatCredential(macaroon, action.preimage)])
  if ('reason' in cached)
    return {
      refusal: cached,
      problem:
        cached.reason === 'bad_preimage' ? 'lightning/invalid-preimage' : 'lightning/unknown-challenge',
    }
  const { route, service } = decodeJsonObject(challenge.opaque ?? '') ?? {}
  const { depositAmount } = decodeJsonObject(challenge.request) ?? {}
  const policy = typeof service === 'string' ? gate.policies.get(service) : undefined
  const summary = policy === undefined ? undefined : standingWith(cached, policy).summary
  if (typeof route !== 'string' || typeof service !== 'string' || summary?.ok !== true)
    return {
      refusal: refuse('wrong_service', 'what the challenge was for is not sold here any more'),
      problem: 'lightning/unknown-challenge',
    }
  if (gate.ledger.isRevoked(cached.verified.identifier))
    return {
      refusal: refuse('revoked', 'this payment has been revoked'),
      problem: 'lightning/unknown-challenge',
    }
  const unsettled = await gate.unsettled(cached, request)
  if (unsettled !== undefined)
    return 'outcome' in unsettled ? unsettled : { refusal: unsettled, problem: 'verification-failed' }
  return {
    cached,
    verified: cached.verified,
    summary,
    redemption: redemptionOf(cached.verified, summary, service),
    challengeId: challenge.id,
    macaroon,
    route,
    paidMsat: BigInt(String(depositAmount)) * 1000n,
    expiresAtMs: Date.parse(challenge.expires ?? ''),
  }
}

const STILL_GOOD =
  'what was paid is still there for "Authorization: L402 <macaroon>:<preimage>" with the macaroon in the challenge’s opaque'

function faultOf(fault: SessionFault): Told {
  if (typeof fault === 'object')
    return {
      refusal: refuse('malformed', `returnInvoice: ${fault.detail}`),
      problem: 'lightning/invalid-return-invoice',
    }
  switch (fault) {
    case 'closed':
      return CLOSED
    case 'expired':
      return {
        refusal: refuse('expired', `the challenge has ended; ${STILL_GOOD}`),
        problem: 'lightning/challenge-expired',
      }
    case 'consumed':
      return {
        refusal: refuse('exhausted', 'this payment has been used for something else'),
        problem: 'lightning/unknown-challenge',
      }
    case 'other_route':
      return {
        refusal: refuse('caveat_failed', `the payment is for another route than the session; ${STILL_GOOD}`),
        problem: 'verification-failed',
      }
    case 'no_balance':
      return {
        refusal: refuse('caveat_failed', `the payment has bought nothing to draw on; ${STILL_GOOD}`),
        problem: 'verification-failed',
      }
    case 'too_much':
      return {
        refusal: refuse('caveat_failed', `the session would hold more than one may here; ${STILL_GOOD}`),
        problem: 'verification-failed',
      }
  }
}

/** A fresh challenge, whatever was asked for: an action is never passed on in the place of its answer. */
export async function refuseAs(
  request: GateRequest,
  told: Told,
  gate: Pick<SessionGate, 'sell'>,
): Promise<Decision> {
  const { refusal, problem, closing } = told
  const decision = await gate.sell(request, refusal)
  if (decision.outcome !== 'refuse') {
    if (decision.outcome === 'pass') await decision.entitlement?.release()
    return asProblem(unsoldAnswer(request, refusal), problem)
  }
  if (closing === undefined) return asProblem(decision, problem)
  const { refundSats, refundStatus } = closing
  return asProblem(decision, problem, { refundSats, refundStatus })
}
