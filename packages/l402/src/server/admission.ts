/**
 * Admission: what a cleared credential must still pass that is counted, remembered or signed. In this order, and whatever
 * was taken is given back where a later step refuses:
 * proof of possession → idempotency → credit → rate → budgets.
 */

import { encodeHex } from '../core/bytes.ts'
import type { Counter, Summary } from '../core/clear.ts'
import { credentialTokens } from '../core/credential.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { CounterState, CounterUse, Ledger, RateUse, Redemption } from '../stores/ledger.ts'
import { idempotencyAnswer } from './answers.ts'
import { withRefundedCalls } from './call-refunds.ts'
import type { ProofVerifier } from './dpop.ts'
import { countedEntitlement, insist, passEntitlement } from './entitlement.ts'
import type { GateRequest, Pass, Refused, Replayed } from './gate.ts'
import { HOLD_KEEP_MS } from './holds.ts'
import { claimOf, decodeAnswer } from './idempotency.ts'
import { type Remaining, rateLimitLines } from './rate-limit-lines.ts'
import type { VerifiedCredential } from './verify.ts'

/** What admission works with. */
export interface AdmissionOptions {
  readonly ledger: Ledger
  readonly proofs: ProofVerifier | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** How long an answer is kept for requests that come again, in milliseconds. */
  readonly keepMs: number
  /** Most bytes of its body. */
  readonly keepBytes: number
}

/** A cleared credential and the request it came with. */
export interface Candidate {
  readonly request: GateRequest
  readonly verified: VerifiedCredential
  readonly summary: Summary
  /** The `Idempotency-Key`, where the outcome is to be kept. */
  readonly idempotencyKey: string | undefined
}

/** What comes of it. A {@link Refusal} is answered with a challenge, or lets another credential be tried. */
type Admitted = Pass | Replayed | Refused | Refusal

/** Throws `store_unavailable`; nothing is taken then. */
export type Admission = (candidate: Candidate) => Promise<Admitted>

/** Payment hashes whose credit is known to be on the account; about 4 MiB when full. */
const CREDITED_MAX = 32_768
const WINDOW_MAX_MS = 2 ** 50

/** Whether a cleared credential passes without any store: a time pass. */
export function needsAdmission({ request, summary, idempotencyKey }: Candidate): boolean {
  return (
    summary.counters.length > 0 ||
    summary.rates.length > 0 ||
    summary.keyThumbprint !== null ||
    request.route.charge !== undefined ||
    idempotencyKey !== undefined
  )
}

/**
 * Whether the credential was sold for this kind of route: credit for a metered one, anything else for the others. What
 * opens both would be a time pass on one of them.
 */
export function checkKind(
  { route }: GateRequest,
  { source }: VerifiedCredential,
  summary: Summary,
): Refusal | undefined {
  const metered = route.charge !== undefined
  // Another server's mint may have left out what must stand behind the credit, so its holders could have stated any.
  const holds = summary.credit !== null && source === 'derived'
  if (metered === holds && holds === (summary.credit !== null)) return undefined
  const detail = metered
    ? 'The credential holds no credit for metered requests.'
    : 'The credential holds credit for metered requests, and this one is not.'
  return refuse('caveat_failed', detail, { condition: `${route.service}_credit_msat` })
}

/** See {@link Admission}. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { ledger, now } = options
  const credited = new Set<string>()

  /** Puts what was paid on the account before it is drawn on (rule 1). */
  async function credit(redemption: Redemption, summary: Summary, again: boolean): Promise<boolean> {
    if (summary.credit === null) return false
    const name = encodeHex(redemption.paymentHash)
    if (!again && credited.has(name)) return false
    const fresh = await ledger.credit(redemption, summary.credit.amountMsat)
    if (credited.size >= CREDITED_MAX) credited.clear()
    credited.add(name)
    return fresh
  }

  async function reserve(
    candidate: Candidate,
    rates: readonly RateUse[],
    claim: Uint8Array | null,
  ): Promise<Pass | Refusal> {
    const { request, verified, summary } = candidate
    const { service } = request.route
    const { keepBytes } = options
    const { expiresAt } = summary
    const uses = usesOf(candidate)
    const redemption = redemptionOf(verified, summary, service)
    await credit(redemption, summary, false)
    let rateLefts: readonly number[] = []
    if (rates.length > 0) {
      const paced = await ledger.pace(rates)
      if (!paced.ok) return overRate(summary, paced)
      rateLefts = paced.left
    }
    if (uses.length === 0) {
      const answerHeaders = rateLimitLines([], summary.rates, rateLefts)
      if (claim === null && answerHeaders.length === 0)
        return { outcome: 'pass', entitlement: passEntitlement(verified, service, { expiresAt }) }
      const hold = { ledger, id: null, claim, keepBytes, answerHeaders, expiresAt }
      return { outcome: 'pass', entitlement: countedEntitlement(verified, service, hold) }
    }
    let taken = false
    try {
      let held = await ledger.reserve({ redemption, uses })
      // The books may be older than what is known here of them: a credit that is missing there is put there again.
      if (!held.ok && held.failed === uses.length - 1 && (await credit(redemption, summary, true)))
        held = await ledger.reserve({ redemption, uses })
      const refunded = held.ok ? undefined : withRefundedCalls(uses, held.failed, verified)
      const again = refunded === undefined ? held : await ledger.reserve({ redemption, uses: refunded })
      if (!held.ok && again.ok) held = again
      if (!held.ok) return notReserved(candidate, uses, held.failed)
      taken = true
      const answerHeaders = rateLimitLines(
        remainingOf(refunded ?? uses, held.states),
        summary.rates,
        rateLefts,
      )
      const hold = { ledger, id: held.id, claim, keepBytes, answerHeaders, expiresAt }
      return { outcome: 'pass', entitlement: countedEntitlement(verified, service, hold) }
    } finally {
      if (!taken && rates.length > 0) void insist(() => ledger.unpace(rates))
    }
  }

  async function admitOnce(candidate: Candidate): Promise<Admitted> {
    const { request, verified, summary, idempotencyKey } = candidate
    const rates = ratesOf(summary)
    const hold = request.route.hold === true
    const untilMs = Math.floor(now()) + (hold ? Math.min(HOLD_KEEP_MS, options.keepMs) : options.keepMs)
    const claim =
      idempotencyKey === undefined
        ? undefined
        : claimOf(idempotencyKey, request, { verified, summary, untilMs })
    if (claim === undefined) return reserve(candidate, rates, null)
    const found = await ledger.claim(claim)
    switch (found.state) {
      case 'running':
        return idempotencyAnswer(request, 'idempotency_running')
      case 'other':
        // What it was paid for is another request; this one can be bought (rule S1).
        if (hold) return refuse('exhausted', 'this credential has bought another request')
        return idempotencyAnswer(request, 'idempotency_conflict')
      case 'answered': {
        const answer = decodeAnswer(found.answer)
        if (typeof answer === 'string') return idempotencyAnswer(request, `idempotency_${answer}`)
        const { tokenId, paymentHash } = verified
        return { outcome: 'replay', answer, tokenId, paymentHash }
      }
      case 'claimed': {
        let admitted = false
        try {
          const outcome = await reserve(candidate, rates, claim.key)
          admitted = 'outcome' in outcome
          return outcome
        } finally {
          if (!admitted) void insist(() => ledger.unclaim(claim.key))
        }
      }
    }
  }

  /** RFC 9449: the key that the credential is bound to, a proof of this request, never seen before. */
  async function prove({ request, summary }: Candidate, thumbprint: string): Promise<Refusal | undefined> {
    const failed = (detail: string): Refusal => refuse('caveat_failed', detail, { condition: 'dpop_jkt' })
    const { method, path, base, headers } = request
    if (options.proofs === undefined || base === undefined)
      return failed('This server checks no proofs of possession.')
    const tokens = credentialTokens(headers)
    const proof = await options.proofs({ method, url: base + path, headers, tokens, nowMs: now() })
    if (!proof.ok) return failed(proof.detail)
    if (proof.thumbprint !== thumbprint || summary.keyThumbprint !== thumbprint)
      return failed('The credential belongs to the holder of another key.')
    return (await ledger.once(proof.mark, Math.ceil(proof.untilMs)))
      ? undefined
      : failed('The proof of possession has been used before: every request needs one of its own.')
  }

  return async (candidate) => {
    const { keyThumbprint } = candidate.summary
    const unproven = keyThumbprint === null ? undefined : await prove(candidate, keyThumbprint)
    return unproven ?? admitOnce(candidate)
  }
}

/** Milliseconds since 1970 from unix seconds, where they can be counted. */
function endMs(seconds: number | null): number | null {
  if (seconds === null) return null
  const ms = Math.ceil(seconds * 1000)
  return Number.isSafeInteger(ms) ? ms : null
}

/** Who paid. What is minted first ends no later than what follows it. */
export function redemptionOf(verified: VerifiedCredential, summary: Summary, service: string): Redemption {
  const expiresAt = summary.credit?.expiresAt ?? summary.counters[0]?.expiresAt ?? null
  return { ...verified.identifier, service, endsAtMs: endMs(expiresAt) }
}

/** The counters a request draws on: calls for each, spend and the account where it is metered. The account comes last. */
function usesOf({ request, verified, summary }: Candidate): readonly CounterUse[] {
  const { charge } = request.route
  const uses: CounterUse[] = []
  for (const { kind, key, limit, expiresAt } of summary.counters) {
    const endsAtMs = endMs(expiresAt)
    if (kind === 'max_calls') uses.push({ key, limit, amount: 1n, endsAtMs })
    else if (charge !== undefined)
      uses.push({ key, limit, amount: charge.estimateMsat, metered: true, endsAtMs })
  }
  if (charge !== undefined) {
    const { tokenId } = verified.identifier
    uses.push({ key: tokenId, limit: 'credited', amount: charge.estimateMsat, metered: true })
  }
  return uses
}

function ratesOf({ rates }: Summary): readonly RateUse[] {
  return rates.map(({ key, rate, expiresAt }) => ({
    key,
    limit: rate.limit,
    windowMs: Math.min(Number(rate.seconds) * 1000, WINDOW_MAX_MS),
    endsAtMs: endMs(expiresAt),
  }))
}

function remainingOf(uses: readonly CounterUse[], states: readonly CounterState[]): readonly Remaining[] {
  return uses.map(({ limit, metered = false }, index) => {
    const { used, credited = 0n } = states[index] ?? { used: 0n }
    const most = limit === 'credited' ? credited : limit
    return { kind: metered ? 'credit' : 'calls', limit: most, left: most - used }
  })
}

function overRate({ rates }: Summary, paced: { failed: number; retryAfterMs: number }): Refusal {
  const over = rates[paced.failed]
  return refuse('over_rate', 'The credential admits fewer requests in this time.', {
    ...(over === undefined ? {} : { condition: over.condition, rate: over.rate }),
    retryAfterSeconds: Math.min(Math.ceil(paced.retryAfterMs / 1000), 2 ** 31 - 1),
  })
}

function notReserved(
  { request, summary }: Candidate,
  uses: readonly CounterUse[],
  failed: number | 'revoked',
): Refusal {
  if (failed === 'revoked') return refuse('revoked', 'this credential has been revoked')
  const use = uses[failed]
  if (use?.metered !== true) {
    const counter = summary.counters.find(({ key }) => key === use?.key)
    return refuse('exhausted', 'all calls of this credential are used up', {
      condition: counter?.condition ?? '',
    })
  }
  const counter: Counter | undefined = summary.counters.find(({ key }) => key === use.key)
  return refuse('exhausted', 'what is left of the credit is less than what a request here may cost', {
    condition: counter?.condition ?? `${request.route.service}_credit_msat`,
  })
}
