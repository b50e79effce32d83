import { clearCaveats, type Enforceable, type ServicePolicy, type Summary } from '../core/clear.ts'
import { credentialText } from '../core/credential.ts'
import { isL402Error } from '../core/errors.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { InvoiceBackend } from '../lightning/backend.ts'
import type { Ledger } from '../stores/ledger.ts'
import {
  challengeAnswer,
  lightningUnavailable,
  rateLimitHeaders,
  storeUnavailable,
  tooManyAnswer,
} from './answers.ts'
import { type ChallengeLimitOptions, challengeLimit } from './challenge-limit.ts'
import { createChallenger } from './challenger.ts'
import { clientPrefix } from './client-prefix.ts'
import { countedEntitlement } from './entitlement.ts'
import type { Decision, Entitlement, Gate, GateRequest, Pass, Refused } from './gate.ts'
import type { KeyRing } from './keys.ts'
import { checkServiceName } from './route-terms.ts'
import { type CachedCredential, standingWith, type Verdict, verdictCache } from './verdict-cache.ts'

/** What a service says of its credentials. */
export interface ServiceOptions {
  /** Tier in the `services` caveat, 0 to 255; 0 if left out. */
  readonly tier?: number
  /** What to do with conditions nobody here knows (protocol §5); `skip` if left out, as the specification demands. */
  readonly unknownCaveats?: 'skip' | 'refuse'
}

/** What a gate is made of. */
export interface GateOptions {
  readonly lightning: InvoiceBackend
  readonly ledger: Ledger
  readonly keys: KeyRing
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
const ENFORCED: ReadonlySet<Enforceable> = new Set(['max_calls'])

/**
 * The gate: verify → satisfy → entitle, and a fresh challenge for whatever does not pass (rule S1).
 *
 * @throws RangeError for options out of range.
 */
export function createGate(options: GateOptions): Gate {
  const { ledger, now = Date.now } = options
  const policies = servicePolicies(options.services)
  const verdicts = verdictCache(options.keys, options.verdictCacheSize ?? 20_000)
  const limit = challengeLimit(options.challengeLimit ?? { limit: 60, perSeconds: 60 }, now)
  const exempt = options.challengeLimit?.exempt ?? (() => false)
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

  function policyOf(service: string): ServicePolicy {
    const policy = policies.get(service)
    if (policy === undefined)
      throw new RangeError(`unknown service "${service}": expected one of the gate's services`)
    return policy
  }

  /** Tries the credentials from number `from` on; the first that passes is used (V2, V5). */
  function admit(
    request: GateRequest,
    verdict: Verdict,
    from: number,
    before: Denial,
  ): Decision | Promise<Decision> {
    const policy = policyOf(request.route.service)
    let denial = before
    for (let i = from; i < verdict.credentials.length; i++) {
      const cached = verdict.credentials[i] as CachedCredential
      const standing = standingWith(cached, policy)
      const summary = satisfy(cached, standing.summary, request)
      if (!summary.ok) {
        denial = denied(denial, summary, cached)
        continue
      }
      if (summary.counters.length === 0) return standing.timePass
      return reserve(request, cached, summary).then((outcome) =>
        'ok' in outcome ? admit(request, verdict, i + 1, denied(denial, outcome, cached)) : outcome,
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
    return cleared.ok ? summary : cleared
  }

  async function reserve(
    request: GateRequest,
    cached: CachedCredential,
    summary: Summary,
  ): Promise<Decision | Refusal> {
    const { verified } = cached
    const { service } = request.route
    const { counters } = summary
    try {
      const held = await ledger.reserve({
        redemption: { ...verified.identifier, service },
        uses: counters.map(({ key, limit: most }) => ({ key, limit: most, amount: 1n })),
      })
      if (held.ok) {
        const entitlement: Entitlement = countedEntitlement(verified, service, {
          ledger,
          id: held.id,
          answerHeaders: tightest(summary, held.states),
        })
        return { outcome: 'pass', entitlement }
      }
      if (held.failed === 'revoked') return refuse('revoked', 'this credential has been revoked')
      const condition = counters[held.failed]?.condition ?? ''
      return refuse('exhausted', 'all calls of this credential are used up', { condition })
    } catch (error) {
      if (!isL402Error(error, 'store_unavailable')) throw error
      return storeUnavailable(request)
    }
  }

  function answer(request: GateRequest, denial: Denial): Refused | Promise<Refused> {
    const { refusal } = denial
    if (refusal.reason === 'over_rate')
      return tooManyAnswer(request, 'over_rate', refusal.detail, refusal.retryAfterSeconds ?? 1)
    if (!exempt(request.clientAddress)) {
      const waitSeconds = limit.take(clientPrefix(request.clientAddress))
      if (waitSeconds > 0)
        return tooManyAnswer(
          request,
          'challenge_limit',
          'too many unpaid requests from this network',
          waitSeconds,
        )
    }
    return challenge(request, denial)
  }

  async function challenge(request: GateRequest, { refusal, topUp }: Denial): Promise<Refused> {
    const { route } = request
    try {
      const issued = await issue(route, policyOf(route.service).tier ?? 0, topUp)
      return challengeAnswer(request, refusal, issued)
    } catch (error) {
      if (!isL402Error(error, 'lightning_unavailable') && !isL402Error(error, 'lightning_invalid'))
        throw error
      return lightningUnavailable(request)
    }
  }

  return {
    decide(request) {
      if (request.route.free) return FREE
      const text = credentialText(request.headers)
      if (text === undefined) return answer(request, { refusal: MISSING, topUp: null })
      const verdict = verdicts.judge(text, request.headers)
      return admit(request, verdict, 0, { refusal: verdict.refusal ?? MISSING, topUp: null })
    },
    get cachedVerdicts() {
      return verdicts.size
    },
  }
}

/** Why a request will not pass, and whose account a purchase would go to. */
interface Denial {
  readonly refusal: Refusal
  /** The token id to keep: possession of the used-up credential is the authority to top it up (protocol §5 rule 8). */
  readonly topUp: Uint8Array | null
}

// A valid credential's refusal says more than that of a broken one beside it, and the first one's more than a later one's.
function denied(before: Denial, refusal: Refusal, cached: CachedCredential): Denial {
  const spent = refusal.reason === 'exhausted' || refusal.reason === 'expired'
  const topUp = before.topUp ?? (spent ? cached.verified.identifier.tokenId : null)
  return { refusal: BROKEN.has(before.refusal.reason) ? refusal : before.refusal, topUp }
}

const BROKEN: ReadonlySet<string> = new Set([
  'missing',
  'malformed',
  'unknown_key',
  'bad_signature',
  'bad_preimage',
])

/** `RateLimit` lines of the counter with the least left. */
function tightest(summary: Summary, states: readonly { readonly used: bigint }[]): HeaderLines {
  let least: { limit: bigint; left: bigint } | undefined
  for (const [i, { limit }] of summary.counters.entries()) {
    const left = limit - (states[i]?.used ?? limit)
    if (least === undefined || left < least.left) least = { limit, left }
  }
  return least === undefined ? [] : rateLimitHeaders(least.limit, least.left)
}

function servicePolicies(
  services: Readonly<Record<string, ServiceOptions>>,
): ReadonlyMap<string, ServicePolicy> {
  const knownServices = new Set(Object.keys(services))
  const policies = new Map<string, ServicePolicy>()
  for (const [service, { tier = 0, unknownCaveats = 'skip' }] of Object.entries(services)) {
    checkServiceName(service)
    // What the `services` caveat can say.
    if (!Number.isSafeInteger(tier) || tier < 0 || tier > 255)
      throw new RangeError(
        `invalid tier of service "${service}": expected a whole number from 0 to 255, got ${tier}`,
      )
    policies.set(service, { service, tier, unknownCaveats, knownServices, enforced: ENFORCED })
  }
  return policies
}

function headerValue(headers: HeaderLines, lowerName: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[i + 1]
  }
  return undefined
}
