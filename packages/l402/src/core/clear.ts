/**
 * Clearing: whether the caveats of a verified credential admit a request (protocol §5).
 *
 * In two steps. {@link summariseCaveats} reads the caveats once per credential and service; {@link clearCaveats} asks
 * what is left of them on every request. Every occurrence of a condition applies, and each later one must narrow, so
 * appending a caveat never widens what a credential opens.
 *
 * What a mint must put in (`services`, and `<service>_capabilities` where a capability is needed) refuses where it is
 * absent. A holder could append what a mint left out, and no server can tell, so every mint must put in both.
 */

import { parseCaveat } from './caveat.ts'
import { capabilities } from './conditions/capabilities.ts'
import { type ConditionName, concernsAnother, conditionFor } from './conditions/names.ts'
import type { Rate } from './conditions/rate.ts'
import { type Draft, failed, isEnforced, type Reader, readerOf } from './conditions/readers.ts'
import { opensService } from './conditions/services.ts'
import { isBefore } from './conditions/valid-until.ts'
import type { MacaroonCaveat } from './macaroon.ts'
import { type Refusal, refuse } from './refusal.ts'

/** A caveat and its place in the chain. */
export interface ChainedCaveat {
  readonly caveat: MacaroonCaveat
  /** The chain signature just after it (see `verifyChain`). */
  readonly signature: Uint8Array
}

/** The conditions that somebody other than {@link clearCaveats} has to enforce; refused where nobody does. */
export type Enforceable = 'max_calls' | 'max_spend_msat' | 'rate' | 'dpop_jkt'

/** What the server knows about the service that is asked for. */
export interface ServicePolicy {
  readonly service: string
  /** 0 to 255; 0 by default. */
  readonly tier?: number
  /** All services of this server: `crit` may name their conditions too. */
  readonly knownServices?: ReadonlySet<string>
  /** What becomes of conditions nobody here knows; `skip` by default, as the specification demands. */
  readonly unknownCaveats?: 'skip' | 'refuse'
  /** What the caller enforces from the summary: its `counters`, `rates` and `keyThumbprint`. */
  readonly enforced: ReadonlySet<Enforceable>
}

/** A budget: every counter of a chain must admit a request, atomically. */
export interface Counter {
  readonly kind: 'max_calls' | 'max_spend_msat'
  readonly condition: string
  /** 32 bytes: the chain signature just after the caveat, so that copies of a credential share the counter. */
  readonly key: Uint8Array
  /** At least 1. */
  readonly limit: bigint
  /** Unix seconds from which on no credential can name this counter, by the caveats before it; `null`: never. */
  readonly expiresAt: number | null
}

/** What the payment has put on the account of the token id. */
interface CreditGrant {
  /** At least 1. */
  readonly amountMsat: bigint
  /** Unix seconds from which on no credential of this payment is good; `null`: never. */
  readonly expiresAt: number | null
}

/** A sliding-window rate; the ledger's `pace` decides. */
export interface RateLimit {
  readonly condition: string
  /** 32 bytes, like {@link Counter.key}. */
  readonly key: Uint8Array
  readonly rate: Rate
  /** Like {@link Counter.expiresAt}: no credential can name this window from then on. */
  readonly expiresAt: number | null
}

/** A compiled caveat that a request must satisfy. */
export interface Restriction {
  readonly condition: string
  readonly denied: string
  admits(request: ClearContext): boolean
}

/** The caveats of one credential for one service, read and compiled. Immutable; may be cached with the credential. */
export interface Summary {
  readonly ok: true
  readonly service: string
  /** Unix seconds at which the credential ends (exclusive); `null` without an end. */
  readonly expiresAt: number | null
  /** The same before anything that stands behind the capabilities, which a holder may have appended. */
  readonly mintedExpiresAt: number | null
  /** In the order of the chain: the minted budget first. */
  readonly counters: readonly Counter[]
  /** `null` in a credential that was not sold for metered requests. */
  readonly credit: CreditGrant | null
  /** Whether a holder has appended to what was minted, proof of payment aside: the mint puts the capabilities last. */
  readonly attenuated: boolean
  /** Only where `rate` is enforced. */
  readonly rates: readonly RateLimit[]
  /** Only where `dpop_jkt` is enforced: the key whose proof the request must carry. */
  readonly keyThumbprint: string | null
  /** @internal */
  readonly restrictions: readonly Restriction[]
}

/** What clearing asks of a request. */
export interface ClearContext {
  /** Unix seconds. */
  readonly nowSeconds: number
  readonly method: string
  /** The normalised path that the router matched and the upstream gets. */
  readonly path: string
  /** The capability the route needs; empty where it needs none. */
  readonly capability: string
  /** After trusted-proxy handling. */
  readonly clientAddress?: string
  /** The `Origin` header. */
  readonly origin?: string
}

const CLEARED: { readonly ok: true } = Object.freeze({ ok: true })

/** Whether the request satisfies every caveat. Per request: no allocation unless it refuses. */
export function clearCaveats(summary: Summary, request: ClearContext): { readonly ok: true } | Refusal {
  if (summary.expiresAt !== null && !isBefore(summary.expiresAt, request.nowSeconds)) {
    return refuse('expired', 'The credential has expired.', { condition: `${summary.service}_valid_until` })
  }
  for (let i = 0; i < summary.restrictions.length; i++) {
    const restriction = summary.restrictions[i] as Restriction
    if (!restriction.admits(request)) {
      return refuse('caveat_failed', restriction.denied, { condition: restriction.condition })
    }
  }
  return CLEARED
}

/** A name may be shown where it looks like one and is too short to be a secret: 32 bytes in base64 are 43 digits. */
const SHOWABLE = /^[A-Za-z0-9_.-]{1,40}$/

function readUnknown(condition: string | undefined, policy: ServicePolicy): Refusal | undefined {
  if (policy.unknownCaveats !== 'refuse') return undefined
  if (condition === undefined) return refuse('caveat_failed', 'A caveat is not condition=value in UTF-8.')
  if (concernsAnother(policy.service, condition, policy.knownServices)) return undefined
  const detail = 'The credential holds a caveat that is not known here.'
  return SHOWABLE.test(condition) ? failed(condition, detail) : refuse('caveat_failed', detail)
}

/**
 * Reads the caveats of a credential whose chain has been verified, for one service. Refuses what no request could
 * satisfy: a value that does not parse or widens, a condition that nobody enforces, a third-party caveat, another
 * service, a budget of nothing.
 */
export function summariseCaveats(
  caveats: readonly ChainedCaveat[],
  policy: ServicePolicy,
): Summary | Refusal {
  const draft: Draft = {
    policy,
    opened: null,
    expiresAt: null,
    mintedExpiresAt: null,
    holdsCapabilities: false,
    creditMsat: null,
    creditExpiresAt: null,
    attenuated: false,
    keyThumbprint: null,
    exhausted: null,
    counters: [],
    rates: [],
    restrictions: [],
  }
  const readers = new Map<ConditionName, Reader>()
  for (const { caveat, signature } of caveats) {
    const refusal = readCaveat(caveat, signature, draft, readers)
    if (refusal !== undefined) return refusal
  }
  return finish(draft)
}

function readCaveat(
  caveat: MacaroonCaveat,
  signature: Uint8Array,
  draft: Draft,
  readers: Map<ConditionName, Reader>,
): Refusal | undefined {
  const { policy } = draft
  if (caveat.verificationId !== undefined) {
    return refuse(
      'caveat_failed',
      'The credential holds a third-party caveat, which cannot be discharged here.',
    )
  }
  const parsed = parseCaveat(caveat.id)
  const name = parsed && conditionFor(policy.service, parsed.condition)
  if (parsed === undefined || name === undefined) return readUnknown(parsed?.condition, policy)
  if (draft.holdsCapabilities && name !== 'preimage') draft.attenuated = true
  if (!isEnforced(policy, name)) return failed(parsed.condition, 'This server does not enforce this caveat.')
  let read = readers.get(name)
  if (read === undefined) {
    read = readerOf[name]()
    readers.set(name, read)
  }
  return read(parsed.value, { condition: parsed.condition, signature }, draft)
}

function finish(draft: Draft): Summary | Refusal {
  const { service, tier = 0 } = draft.policy
  if (draft.opened === null || !opensService(draft.opened, service, tier)) {
    return refuse('wrong_service', 'The credential does not open this service.', { condition: 'services' })
  }
  if (draft.exhausted !== null) {
    return refuse('exhausted', 'The credential admits nothing.', { condition: draft.exhausted })
  }
  if (!draft.holdsCapabilities) {
    // Absence must not open more than presence: without the list, only what needs no capability.
    draft.restrictions.push({
      condition: `${service}_capabilities`,
      denied: capabilities.denied,
      admits: (request) => request.capability === '',
    })
  }
  const { creditMsat, creditExpiresAt } = draft
  if (creditMsat !== null && !draft.holdsCapabilities) {
    // Else a holder could state credit, and then append the capabilities that must follow it.
    return failed(`${service}_credit_msat`, 'Credit is stated before the capabilities, by the mint.')
  }
  return Object.freeze({
    ok: true,
    service,
    expiresAt: draft.expiresAt,
    mintedExpiresAt: draft.mintedExpiresAt,
    credit: creditMsat === null ? null : { amountMsat: creditMsat, expiresAt: creditExpiresAt },
    attenuated: draft.attenuated,
    counters: Object.freeze(draft.counters),
    rates: Object.freeze(draft.rates),
    keyThumbprint: draft.keyThumbprint,
    restrictions: Object.freeze(draft.restrictions),
  })
}
