import type { Enforceable, ServicePolicy, Summary } from '../core/clear.ts'
import { credentialText } from '../core/credential.ts'
import { isL402Error } from '../core/errors.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import { withPage } from '../page/with-page.ts'
import { checkKind, createAdmission, needsAdmission } from './admission.ts'
import type { Admitting, Visit } from './admitting.ts'
import {
  addressDenied,
  idempotencyAnswer,
  overRateAnswer,
  settlementUnknown,
  storeUnavailable,
} from './answers.ts'
import { balanceReader } from './balance-reader.ts'
import { createChallenger } from './challenger.ts'
import { clearRequest } from './clear-request.ts'
import { createDemand } from './demand.ts'
import { type Denial, deferred, denied } from './denial.ts'
import type { Decision, Gate, GateRequest, Pass, Refused } from './gate.ts'
import type { GateOptions } from './gate-options.ts'
import { HOLD_KEY } from './holds.ts'
import { idempotencyKey } from './idempotency.ts'
import { amountBounds } from './limits/amount-bounds.ts'
import { createFreebies } from './limits/freebies.ts'
import { localLimits } from './limits/local-limits.ts'
import { guardNode } from './limits/node-guard.ts'
import { asksOf, unpaidAsksOf } from './limits/rate-rules.ts'
import { createSelling } from './limits/selling.ts'
import { shadowed } from './limits/shadow.ts'
import { createThrottle } from './limits/throttle.ts'
import { after, paymentBesides, paymentDecider } from './payment-scheme/decide-payment.ts'
import { createPaymentScheme } from './payment-scheme/scheme.ts'
import { orderDecider } from './payment-scheme/session/decide-order.ts'
import { sessionDecider } from './payment-scheme/session/decide-session.ts'
import { meter } from './pricing/meter-gate.ts'
import { createPricing } from './pricing/pricing.ts'
import { saleOf } from './sales-watcher.ts'
import { addressPolicy, servicePolicies } from './service-policies.ts'
import { strictCheck } from './settled.ts'
import { storedLookup } from './stored-lookup.ts'
import { createUnpaid } from './unpaid.ts'
import {
  type CachedCredential,
  type Standing,
  standingWith,
  type Verdict,
  verdictCache,
} from './verdict-cache.ts'

const FREE: Pass = { outcome: 'pass', entitlement: null }
const MISSING = refuse(
  'missing',
  'this resource is paid: pay the invoice and send the request again with the credential',
)

const USED_UP = refuse('exhausted', 'what is left of the balance is less than a request here may cost')

/**
 * The gate: verify → satisfy → entitle, and a fresh challenge for whatever does not pass (rule S1).
 *
 * @throws RangeError for options out of range.
 */
export function createGate(options: GateOptions): Gate {
  const { ledger, sales, now = Date.now } = options
  const randomBytes =
    options.randomBytes ?? ((length: number) => crypto.getRandomValues(new Uint8Array(length)))
  const enforced: Enforceable[] = ['max_calls', 'max_spend_msat', 'rate']
  if (options.dpop !== undefined) enforced.push('dpop_jkt')
  const policies = servicePolicies(options.services, new Set(enforced))
  const verdicts = verdictCache(options.keys, options.verdictCacheSize ?? 20_000)
  const stored = options.storedKeys === undefined ? undefined : storedLookup(options.storedKeys)
  const denies = addressPolicy(options, options.services)
  const limits = options.limits ?? localLimits({ now })
  const throttle = createThrottle(limits)
  const freebies = createFreebies({ ledger, now })
  const deadlineMs = options.challengeDeadlineMs ?? 10_000
  const node = guardNode(options.lightning, now, options.challenges?.node ?? {})
  const settled = options.strict === true ? strictCheck(options.lightning, node, deadlineMs) : undefined
  const selling = createSelling({
    lightning: options.lightning,
    node,
    deadlineMs,
    limits,
    now,
    perPrefix: options.challengeLimit ?? { limit: 60, perSeconds: 60 },
    economics: options.challenges ?? {},
    challenger: (lightning) =>
      createChallenger({
        lightning,
        keys: options.keys,
        now,
        randomBytes,
        invoiceExpirySeconds: options.invoiceExpirySeconds ?? 600,
        deadlineMs,
        strictSpec: options.strictSpec ?? false,
        lsat: options.lsat ?? false,
        location: options.location,
      }),
  })

  const pricing = createPricing({ onPriced: options.onPriced, monotonicMs: () => performance.now() })
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

  const payment =
    options.payment === 'off'
      ? undefined
      : createPaymentScheme(options.keys, {
          network: options.lightning.network,
          always: options.payment === 'always',
          bindBodies: options.bindBodies === true,
          sessions: options.sessions,
          now,
        })
  const demand = createDemand({
    selling,
    pricing,
    throttle,
    policyOf,
    bounds: amountBounds(options.lightning.invoiceCapabilities, options.amounts),
    proofs: options.dpop,
    sales,
    payment,
    now,
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
      // Just verified for the first time: its challenge is not for anybody else any more.
      if (cached.standings.size === 0) selling.redeemed(cached.verified.paymentHash)
      const standing = standingWith(cached, policy)
      const summary = satisfy(cached, standing.summary, request)
      if (!summary.ok) {
        denial = deny(denial, summary, { cached, standing, request })
        continue
      }
      if (settled?.known(cached.verified) === false && request.held !== true)
        return settledFirst(visit, { cached, standing, index: i, denial })
      const candidate = { request, verified: cached.verified, summary, idempotencyKey }
      const onPass = (pass: Pass, undo?: () => void): Decision | Promise<Decision> => {
        if (request.route.pricer?.metered !== undefined)
          return metered(visit, pass, { cached, standing, index: i, undo, later: denial.later })
        // What is held may still be given back.
        if (!standing.told && request.held !== true) tellRedeemed(request, cached, standing)
        return pass
      }
      const enter = (undo?: () => void): Decision | Promise<Decision> => {
        if (!needsAdmission(candidate)) return onPass(standing.timePass, undo)
        return admission(candidate).then(
          (admitted) => {
            if (!('outcome' in admitted) || admitted.outcome === 'refuse') undo?.()
            if (!('outcome' in admitted)) {
              // What a narrowed copy may not use is there for others.
              if (admitted.reason === 'exhausted' && !summary.attenuated)
                sales?.exhausted(saleOf(request.route, cached.verified, summary))
              const next = deny(denial, admitted, { cached, standing, request })
              // It stays good, so nothing is sold in its place; another one beside it may pass.
              return admit(
                visit,
                i + 1,
                admitted.reason === 'over_rate' ? deferred(next, overRateAnswer(request, admitted)) : next,
              )
            }
            if (admitted.outcome === 'pass') return onPass(admitted, undo)
            if (request.route.hold === true && request.held !== true && !standing.told)
              tellRedeemed(request, cached, standing)
            return admitted
          },
          (error: unknown) => {
            undo?.()
            return booksDown(request, error)
          },
        )
      }
      const rules = request.route.limits
      if (rules === undefined || request.held === true) return enter()
      const before = denial
      return throttle(request, asksOf(rules, request, cached.verified.tokenId), enter, (limited) =>
        admit(visit, i + 1, deferred(before, limited)),
      )
    }
    return paymentBesides(payment, request, { decide: decideRoute, session }) ?? answer(request, denial)
  }

  /** Strict mode: tries the credential again once the node calls its invoice settled; else the next one. */
  async function settledFirst(
    visit: Visit,
    { cached, standing, index, denial }: Omit<Admitting, 'undo' | 'later'> & { readonly denial: Denial },
  ): Promise<Decision> {
    const { request } = visit
    const why = await unsettled(cached, request)
    if (why === undefined) return admit(visit, index, denial)
    const next = 'outcome' in why ? deferred(denial, why) : deny(denial, why, { cached, standing, request })
    return admit(visit, index + 1, next)
  }

  function deny(
    before: Denial,
    refusal: Refusal,
    {
      cached,
      standing,
      request,
    }: { readonly cached: CachedCredential; readonly standing: Standing; readonly request: GateRequest },
  ): Denial {
    const { summary } = standing
    const fits = (): boolean => summary.ok && wasSoldFor(cached, summary, request)
    return denied(before, refusal, { cached, standing, fits })
  }

  /** The balance is the price server's to know. A purchase after it is a new one, with a token id of its own. */
  async function metered(
    visit: Visit,
    pass: Pass,
    { cached, standing, index, undo, later }: Admitting,
  ): Promise<Decision> {
    if (pass.entitlement === null) return pass
    const outcome = await meter(visit.request, pass.entitlement, pricing.told)
    if ('denied' in outcome || outcome.outcome === 'refuse') undo?.()
    if ('denied' in outcome)
      return admit({ ...visit, request: outcome.denied }, index + 1, {
        refusal: USED_UP,
        topUp: null,
        ...(later === undefined ? {} : { later }),
      })
    if (outcome.outcome === 'pass' && !standing.told) tellRedeemed(visit.request, cached, standing)
    return outcome
  }

  function tellRedeemed({ route }: GateRequest, { verified }: CachedCredential, standing: Standing): void {
    const { summary } = standing
    if (sales === undefined || !summary.ok) standing.told = true
    else standing.told = sales.redeemed(saleOf(route, verified, summary))
  }

  function booksDown(request: Pick<GateRequest, 'headers'>, error: unknown): Refused {
    if (!isL402Error(error, 'store_unavailable')) throw error
    return storeUnavailable(request)
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
    const cleared = clearRequest(summary, request, now() / 1000)
    return cleared.ok ? (checkKind(request, cached.verified, summary) ?? summary) : cleared
  }

  /** Whether only its time, or what it counts, can be in the way of a request here. */
  function wasSoldFor({ verified }: CachedCredential, summary: Summary, request: GateRequest): boolean {
    const cleared = clearRequest(summary, request, Number.NEGATIVE_INFINITY)
    return cleared.ok && checkKind(request, verified, summary) === undefined
  }

  const sell = (request: GateRequest, refusal: Refusal): Decision | Promise<Decision> =>
    throttle(request, unpaidAsksOf(request.route.limits ?? [], request), () =>
      demand(request, { refusal, topUp: null }),
    )

  const answer = createUnpaid({ throttle, freebies, demand, booksDown })

  /** A request with a session's action of the Payment scheme. */
  const session = sessionDecider(payment, {
    now,
    ...{ booksDown, ledger, sell },
    decide: decideRoute,
    verify,
    policies,
    satisfy,
    unsettled,
  })

  /** The first credential in these lines that verifies: whatever becomes of it, its invoice is paid. */
  async function verify(headers: HeaderLines): Promise<CachedCredential | Refusal> {
    const { credentials, refusal } = await judge(credentialText(headers) ?? '', headers)
    const [first] = credentials
    if (first !== undefined) selling.redeemed(first.verified.paymentHash)
    return first ?? refusal ?? MISSING
  }

  /** Strict mode: why its payment cannot be taken for settled. */
  async function unsettled(
    { verified }: CachedCredential,
    request: Pick<GateRequest, 'headers'>,
  ): Promise<Refused | Refusal | undefined> {
    if (settled === undefined || settled.known(verified)) return undefined
    const why = await settled.ask(verified)
    return why === 'unavailable' ? settlementUnknown(request, node.retryAfterSeconds() || undefined) : why
  }

  function decideRoute(request: GateRequest): Decision | Promise<Decision> {
    const { free, limits: rules } = request.route
    if (free)
      return rules === undefined ? FREE : throttle(request, asksOf(rules, request, undefined), () => FREE)
    const text = credentialText(request.headers)
    if (text === undefined) return decideUnproven(request)
    const key = request.route.hold === true ? HOLD_KEY : idempotencyKey(request)
    if (key === null) return idempotencyAnswer(request, 'idempotency_invalid')
    const heeded = request.contentDigest === undefined ? undefined : key
    const go = (verdict: Verdict): Decision | Promise<Decision> =>
      admit({ request, verdict, idempotencyKey: heeded }, 0, {
        refusal: verdict.refusal ?? MISSING,
        topUp: null,
      })
    const verdict = judge(text, request.headers)
    if (!('then' in verdict)) return go(verdict)
    return verdict.then(go, (error: unknown) => booksDown(request, error))
  }

  const decideOrder = orderDecider(payment, { session, sell, bind: pricing.bind })
  const decideUnproven = paymentDecider(payment, {
    decide: decideRoute,
    answer: (request, refusal) => answer(request, { refusal, topUp: null }),
    session,
    missing: MISSING,
  })

  /** A request that has no price: what is free is within the rates all the same. */
  function unbound(request: GateRequest, decision: Pass | Refused): Decision | Promise<Decision> {
    const { limits: rules = [] } = request.route
    if (decision.outcome === 'refuse') return decision
    return throttle(request, asksOf(rules, request, undefined), () => decision)
  }

  const gate: Gate = {
    decide(asked) {
      const { route } = asked
      if (denies?.(route.service, asked.clientAddress) === true) return addressDenied(asked)
      if (payment?.orders(asked) === true) return decideOrder(asked)
      const request = route.pricer === undefined ? asked : pricing.bind(asked)
      const decision = 'outcome' in request ? unbound(asked, request) : decideRoute(request)
      return route.shadow === true ? after(decision, shadowed) : decision
    },
    wantsDigest(request) {
      const { free, hold, shadow } = request.route
      if (hold === true) return true
      if (free || shadow === true || request.method === 'GET' || request.method === 'HEAD') return false
      if (payment?.wantsBody(request) === true) return true
      if (typeof idempotencyKey(request) !== 'string') return false
      if (credentialText(request.headers) !== undefined) return true
      const state = payment?.open(request).state
      return state === 'unwrapped' || state === 'session'
    },
    balance: balanceReader(payment, { verify, unsettled, booksDown, ledger, policies, now }),
    get cachedVerdicts() {
      return verdicts.size
    },
    get heldChallenges() {
      return selling.held
    },
    verdictLookups: verdicts.lookups,
  }
  const { page = {}, services, lightning, keys } = options
  return page === false ? gate : withPage(gate, { page, services, lightning, keys, limits, now, randomBytes })
}
