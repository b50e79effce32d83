import { clearCaveats, type Enforceable, type ServicePolicy, type Summary } from '../core/clear.ts'
import { credentialText } from '../core/credential.ts'
import { isL402Error } from '../core/errors.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { InvoiceBackend } from '../lightning/backend.ts'
import type { Ledger } from '../stores/ledger.ts'
import type { StoredRootKeys } from '../stores/root-keys.ts'
import { checkKind, createAdmission, needsAdmission } from './admission.ts'
import {
  challengeAnswer,
  idempotencyAnswer,
  lightningUnavailable,
  noBalance,
  storeUnavailable,
  tooManyAnswer,
} from './answers.ts'
import { balanceOf } from './balance.ts'
import { type ChallengeLimitOptions, challengeLimit } from './challenge-limit.ts'
import { createChallenger } from './challenger.ts'
import { clientPrefix } from './client-prefix.ts'
import { type Denial, denied } from './denial.ts'
import type { ProofVerifier } from './dpop.ts'
import type { Decision, Gate, GateRequest, Pass, Refused } from './gate.ts'
import { idempotencyKey } from './idempotency.ts'
import type { KeyRing } from './keys.ts'
import { type ServiceOptions, servicePolicies } from './service-policies.ts'
import { storedLookup } from './stored-lookup.ts'
import { type CachedCredential, standingWith, type Verdict, verdictCache } from './verdict-cache.ts'

/** What a gate is made of. */
export interface GateOptions {
  readonly lightning: InvoiceBackend
  readonly ledger: Ledger
  readonly keys: KeyRing
  /**
   * Root keys that another server made and kept (protocol §4), so that what it sold opens here; asked for macaroons that the
   * own keys did not make. See `@turnpike/l402/store/aperture`.
   */
  readonly storedKeys?: StoredRootKeys
  /** Every service that routes name. */
  readonly services: Readonly<Record<string, ServiceOptions>>
  /** Rule S10; 60 a minute per client prefix if left out. */
  readonly challengeLimit?: ChallengeLimitOptions
  /** Seconds an invoice may be paid; 600 if left out. */
  readonly invoiceExpirySeconds?: number
  /** Milliseconds a backend may take to make an invoice; 10,000 if left out. Then 503. */
  readonly challengeDeadlineMs?: number
  /** Most verdicts held in memory, some 6 KB each (a large one counts for several); 20,000 if left out. */
  readonly verdictCacheSize?: number
  /** Leaves `macaroon=` out of challenges (rule S2): then most deployed clients cannot read them. */
  readonly strictSpec?: boolean
  /** Checks proofs of possession (`dpop_jkt`); without it such credentials are refused. See `@turnpike/l402/dpop`. */
  readonly dpop?: ProofVerifier
  /** Answers that are kept for requests that come again with the same `Idempotency-Key` (protocol §5 rule 10). */
  readonly idempotency?: {
    /** 86,400, a day, if left out. */
    readonly keepSeconds?: number
    /** Most bytes of a body that is kept; 262,144 if left out. A larger one is charged once and cannot be had again. */
    readonly keepBytes?: number
  }
  /** Macaroon location, e.g. `lsat` for Aperture's clients (rule S9), at most 255 bytes; the service's name if left out. */
  readonly location?: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly randomBytes?: (length: number) => Uint8Array
}

const FREE: Pass = { outcome: 'pass', entitlement: null }
const MISSING = refuse(
  'missing',
  'this resource is paid: pay the invoice and send the request again with the credential',
)

/**
 * The gate: verify → satisfy → entitle, and a fresh challenge for whatever does not pass (rule S1).
 *
 * @throws RangeError for options out of range.
 */
export function createGate(options: GateOptions): Gate {
  const { ledger, now = Date.now } = options
  const enforced: Enforceable[] = ['max_calls', 'max_spend_msat', 'rate']
  if (options.dpop !== undefined) enforced.push('dpop_jkt')
  const policies = servicePolicies(options.services, new Set(enforced))
  const verdicts = verdictCache(options.keys, options.verdictCacheSize ?? 20_000)
  const stored = options.storedKeys === undefined ? undefined : storedLookup(options.storedKeys)
  const limit = challengeLimit(options.challengeLimit ?? { limit: 60, perSeconds: 60 }, now)
  const exempt = options.challengeLimit?.exempt ?? (() => false)
  const authority = options.challengeLimit?.authority
  const issue = createChallenger({
    lightning: options.lightning,
    keys: options.keys,
    now,
    randomBytes: options.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length))),
    invoiceExpirySeconds: options.invoiceExpirySeconds ?? 600,
    deadlineMs: options.challengeDeadlineMs ?? 10_000,
    strictSpec: options.strictSpec ?? false,
    location: options.location,
  })

  const { keepSeconds = 86_400, keepBytes = 262_144 } = options.idempotency ?? {}
  if (!(Number.isSafeInteger(keepSeconds) && keepSeconds > 0))
    throw new RangeError(
      `invalid idempotency.keepSeconds: expected whole seconds above 0, got ${keepSeconds}`,
    )
  if (!(Number.isSafeInteger(keepBytes) && keepBytes >= 0))
    throw new RangeError(`invalid idempotency.keepBytes: expected a whole number from 0, got ${keepBytes}`)
  const admission = createAdmission({
    ledger,
    proofs: options.dpop,
    now,
    keepMs: keepSeconds * 1000,
    keepBytes,
  })

  function policyOf(service: string): ServicePolicy {
    const policy = policies.get(service)
    if (policy === undefined)
      throw new RangeError(`unknown service "${service}": expected one of the gate's services`)
    return policy
  }

  /** By the own keys, and by those that are stored where the own ones made none of the credentials. */
  function judge(text: string, headers: HeaderLines): Verdict | Promise<Verdict> {
    const verdict = verdicts.judge(text, headers)
    const ours = verdict.credentials.length > 0 || verdict.refusal?.reason !== 'bad_signature'
    return stored === undefined || ours ? verdict : verdicts.judgeStored(text, headers, stored)
  }

  /** Tries the credentials from number `from` on; the first that passes is used (V2, V5). */
  function admit(visit: Visit, from: number, before: Denial): Decision | Promise<Decision> {
    const { request, verdict, idempotencyKey } = visit
    const policy = policyOf(request.route.service)
    let denial = before
    for (let i = from; i < verdict.credentials.length; i++) {
      const cached = verdict.credentials[i] as CachedCredential
      const standing = standingWith(cached, policy)
      const summary = satisfy(cached, standing.summary, request)
      if (!summary.ok) {
        denial = denied(denial, summary, cached, standing)
        continue
      }
      const candidate = { request, verified: cached.verified, summary, idempotencyKey }
      if (!needsAdmission(candidate)) return standing.timePass
      return admission(candidate).then(
        (admitted) =>
          'outcome' in admitted ? admitted : admit(visit, i + 1, denied(denial, admitted, cached, standing)),
        (error: unknown) => {
          if (!isL402Error(error, 'store_unavailable')) throw error
          return storeUnavailable(request)
        },
      )
    }
    return answer(request, denial)
  }

  /** Revocation, then caveats (protocol §2): nothing of this is cached but what the caveats come to. */
  function satisfy(
    cached: CachedCredential,
    summary: Summary | Refusal,
    request: GateRequest,
  ): Summary | Refusal {
    if (ledger.isRevoked(cached.verified.identifier))
      return refuse('revoked', 'this credential has been revoked')
    if (!summary.ok) return summary
    const { method, path, clientAddress } = request
    const { capability } = request.route
    const nowSeconds = now() / 1000
    const origin = headerValue(request.headers, 'origin')
    // Not spread into one: that would cost as much as all the rest of it.
    const cleared =
      origin === undefined
        ? clearCaveats(summary, { nowSeconds, method, path, capability, clientAddress })
        : clearCaveats(summary, { nowSeconds, method, path, capability, clientAddress, origin })
    return cleared.ok ? (checkKind(request, cached.verified, summary) ?? summary) : cleared
  }

  function answer(request: GateRequest, denial: Denial): Refused | Promise<Refused> {
    const { refusal } = denial
    if (refusal.reason === 'over_rate')
      return tooManyAnswer(request, 'over_rate', refusal.detail, refusal.retryAfterSeconds ?? 1)
    if (exempt(request.clientAddress)) return challenge(request, denial)
    const prefix = clientPrefix(request.clientAddress)
    const within = (waitSeconds: number): Refused | Promise<Refused> =>
      waitSeconds > 0
        ? tooManyAnswer(request, 'challenge_limit', 'too many unpaid requests from this network', waitSeconds)
        : challenge(request, denial)
    if (authority === undefined) return within(limit.take(prefix))
    return authority.take(prefix).then(within, (error: unknown) => {
      if (!isL402Error(error)) throw error
      return lightningUnavailable(request)
    })
  }

  async function challenge(request: GateRequest, { refusal, topUp }: Denial): Promise<Refused> {
    const { route } = request
    try {
      const issued = await issue(route, {
        tier: policyOf(route.service).tier ?? 0,
        topUp,
        clientAddress: request.clientAddress,
        origin: headerValue(request.headers, 'origin'),
        thumbprint: await provenKey(request),
      })
      return challengeAnswer(request, refusal, issued)
    } catch (error) {
      if (!isL402Error(error, 'lightning_unavailable') && !isL402Error(error, 'lightning_invalid'))
        throw error
      return lightningUnavailable(request)
    }
  }

  /** The key that a purchase is to be bound to: of the unpaid request's own proof. */
  async function provenKey({ route, method, path, base, headers }: GateRequest): Promise<string | undefined> {
    if (route.conditions?.dpop !== true || options.dpop === undefined || base === undefined) return undefined
    if (headerValue(headers, 'dpop') === undefined) return undefined
    const proof = await options.dpop({ method, url: base + path, headers, tokens: [], nowMs: now() })
    return proof.ok ? proof.thumbprint : undefined
  }

  return {
    decide(request) {
      if (request.route.free) return FREE
      const text = credentialText(request.headers)
      if (text === undefined) return answer(request, { refusal: MISSING, topUp: null })
      const key = idempotencyKey(request)
      if (key === null) return idempotencyAnswer(request, 'idempotency_invalid')
      const heeded = request.contentDigest === undefined ? undefined : key
      const go = (verdict: Verdict): Decision | Promise<Decision> =>
        admit({ request, verdict, idempotencyKey: heeded }, 0, {
          refusal: verdict.refusal ?? MISSING,
          topUp: null,
        })
      const verdict = judge(text, request.headers)
      if (!('then' in verdict)) return go(verdict)
      return verdict.then(go, (error: unknown) => {
        if (!isL402Error(error, 'store_unavailable')) throw error
        return storeUnavailable(request)
      })
    },
    wantsDigest(request) {
      if (request.route.free || typeof idempotencyKey(request) !== 'string') return false
      return credentialText(request.headers) !== undefined
    },
    async balance(headers) {
      const text = credentialText(headers)
      if (text === undefined) return noBalance(MISSING)
      try {
        const { credentials, refusal } = await judge(text, headers)
        const [first] = credentials
        if (first === undefined) return noBalance(refusal ?? MISSING)
        return await balanceOf(first, { ledger, policies, nowSeconds: now() / 1000 })
      } catch (error) {
        if (!isL402Error(error, 'store_unavailable')) throw error
        return storeUnavailable({ headers })
      }
    },
    get cachedVerdicts() {
      return verdicts.size
    },
    verdictLookups: verdicts.lookups,
  }
}

/** A request with credentials on its way through the gate. */
interface Visit {
  readonly request: GateRequest
  readonly verdict: Verdict
  readonly idempotencyKey: string | undefined
}

function headerValue(headers: HeaderLines, lowerName: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[i + 1]
  }
  return undefined
}
