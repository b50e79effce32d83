/** How each condition's occurrences are read into the summary of a credential. */

import type { ClearContext, Counter, Enforceable, RateLimit, Restriction, ServicePolicy } from '../clear.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { capabilities } from './capabilities.ts'
import type { Condition, RequestCondition } from './condition.ts'
import type { CountingCondition } from './counting.ts'
import { creditMsat } from './credit-msat.ts'
import { crit } from './crit.ts'
import { dpopJkt } from './dpop-jkt.ts'
import { ip } from './ip.ts'
import { maxCalls } from './max-calls.ts'
import { maxSpendMsat } from './max-spend-msat.ts'
import { methods } from './methods.ts'
import { type ConditionName, understoodCondition } from './names.ts'
import { origin } from './origin.ts'
import { paths } from './paths.ts'
import { rate } from './rate.ts'
import { services } from './services.ts'
import { validUntil } from './valid-until.ts'

/** A summary in the making. */
export interface Draft {
  readonly policy: ServicePolicy
  opened: ReadonlySet<string> | null
  expiresAt: number | null
  mintedExpiresAt: number | null
  holdsCapabilities: boolean
  creditMsat: bigint | null
  creditExpiresAt: number | null
  attenuated: boolean
  keyThumbprint: string | null
  exhausted: string | null
  readonly counters: Counter[]
  readonly rates: RateLimit[]
  readonly restrictions: Restriction[]
}

/** Where a value stands: the name as in the caveat, and the chain signature after it. */
interface Place {
  readonly condition: string
  readonly signature: Uint8Array
}

/** Takes one occurrence's value into the draft, or says what is wrong with it. */
export type Reader = (value: string, place: Place, draft: Draft) => Refusal | undefined
/** Starts reading the occurrences of one condition in one credential. */
type Kind = () => Reader

/** Strict parsing and narrowing, alike for all conditions; `apply` does the rest. */
function kind<Value>(
  condition: Condition<Value>,
  apply: (value: Value, place: Place, draft: Draft) => Refusal | undefined,
): Kind {
  return () => {
    let earlier: { readonly value: Value } | undefined
    return (text, place, draft) => {
      const value = condition.parse(text)
      if (value === undefined) {
        return failed(
          place.condition,
          `The value of this caveat does not parse: expected ${condition.expected}.`,
        )
      }
      if (earlier !== undefined && !condition.narrows(value, earlier.value)) {
        return failed(place.condition, 'A repeated caveat does not narrow the one before it.')
      }
      earlier = { value }
      return apply(value, place, draft)
    }
  }
}

/** A refusal that names the caveat. */
export function failed(condition: string, detail: string): Refusal {
  return refuse('caveat_failed', detail, { condition })
}

function restricting<Value>(
  condition: RequestCondition<Value>,
  read: (request: ClearContext) => string | undefined,
): Kind {
  return kind(condition, (value, place, draft) => {
    draft.restrictions.push({
      condition: place.condition,
      denied: condition.denied,
      admits(request) {
        const presented = read(request)
        return presented !== undefined && condition.admits(value, presented)
      },
    })
    return undefined
  })
}

function counting(name: Counter['kind'], condition: CountingCondition): Kind {
  return kind(condition, (limit, { condition: full, signature }, draft) => {
    if (!condition.hasRoom(limit, 0n, 1n)) draft.exhausted ??= full
    draft.counters.push({ kind: name, condition: full, key: signature, limit, expiresAt: draft.expiresAt })
    return undefined
  })
}

const restrictCapabilities = restricting(capabilities, (request) => request.capability)

/** The table of protocol §5. */
export const readerOf: Readonly<Record<ConditionName, Kind>> = {
  services: kind(services, (opened, _, draft) => {
    draft.opened = opened
    return undefined
  }),
  capabilities: () => {
    const read = restrictCapabilities()
    return (value, place, draft) => {
      if (!draft.holdsCapabilities) draft.mintedExpiresAt = draft.expiresAt
      draft.holdsCapabilities = true
      return read(value, place, draft)
    }
  },
  valid_until: kind(validUntil, (end, _, draft) => {
    draft.expiresAt = Number(end)
    return undefined
  }),
  max_calls: counting('max_calls', maxCalls),
  max_spend_msat: counting('max_spend_msat', maxSpendMsat),
  credit_msat: kind(creditMsat, (amount, place, draft) => {
    if (draft.holdsCapabilities || amount === 0n)
      return failed(place.condition, 'Credit is stated by the server that mints a credential, nobody else.')
    draft.creditMsat = amount
    draft.creditExpiresAt = draft.expiresAt
    return undefined
  }),
  rate: kind(rate, (value, place, draft) => {
    const { condition, signature: key } = place
    draft.rates.push({ condition, key, rate: value, expiresAt: draft.expiresAt })
    return undefined
  }),
  methods: restricting(methods, (request) => request.method),
  paths: restricting(paths, (request) => request.path),
  ip: restricting(ip, (request) => request.clientAddress),
  origin: restricting(origin, (request) => request.origin),
  dpop_jkt: kind(dpopJkt, (thumbprint, _, draft) => {
    draft.keyThumbprint = thumbprint
    return undefined
  }),
  crit: kind(crit, (names, place, { policy }) =>
    names.every((name) => understands(policy, name))
      ? undefined
      : failed(place.condition, 'This caveat names a condition that is not enforced here.'),
  ),
  // Proof of payment, not a restriction: verification has compared it with the payment hash (rules V3, V4).
  preimage: () => () => undefined,
}

const ENFORCEABLE: ReadonlySet<string> = new Set<Enforceable>([
  'max_calls',
  'max_spend_msat',
  'rate',
  'dpop_jkt',
])

/** Whether somebody enforces the condition: clearing itself, or the caller. */
export function isEnforced(policy: ServicePolicy, name: ConditionName): boolean {
  return !ENFORCEABLE.has(name) || policy.enforced.has(name as Enforceable)
}

function understands(policy: ServicePolicy, condition: string): boolean {
  const name = understoodCondition(policy.service, condition, policy.knownServices)
  return name !== undefined && isEnforced(policy, name)
}
