/** What is left of a credential: `GET /.well-known/l402/balance`. */

import type { ServicePolicy, Summary } from '../core/clear.ts'
import type { Refusal } from '../core/refusal.ts'
import type { CounterState, Ledger } from '../stores/ledger.ts'
import { redemptionOf } from './admission.ts'
import { callRefundAccount } from './call-refunds.ts'
import type { Balance, BudgetState, ServiceBalance, SessionStanding } from './gate.ts'
import { type CachedCredential, standingWith } from './verdict-cache.ts'
import type { VerifiedCredential } from './verify.ts'

/** What a balance is read from. */
export interface BalanceSources {
  readonly ledger: Ledger
  readonly policies: ReadonlyMap<string, ServicePolicy>
  readonly nowSeconds: number
}

/** The balance of a verified credential with every service it opens. Throws `store_unavailable`. */
export async function balanceOf(cached: CachedCredential, sources: BalanceSources): Promise<Balance> {
  const { verified } = cached
  const services: ServiceBalance[] = []
  for (const policy of sources.policies.values()) {
    const { summary } = standingWith(cached, policy)
    if (!summary.ok && summary.reason === 'wrong_service') continue
    services.push(
      summary.ok
        ? await serviceBalance(verified, summary, sources)
        : unusable(policy.service, summary, sources, verified),
    )
  }
  return { outcome: 'balance', tokenId: verified.tokenId, paymentHash: verified.paymentHash, services }
}

function unusable(
  service: string,
  { reason }: Refusal,
  { ledger }: BalanceSources,
  verified: VerifiedCredential,
): ServiceBalance {
  const why = ledger.isRevoked(verified.identifier) ? 'revoked' : reason
  return { service, usable: false, reason: why, expiresAt: null, budgets: [], credit: null }
}

async function serviceBalance(
  verified: VerifiedCredential,
  summary: Summary,
  { ledger, nowSeconds }: BalanceSources,
): Promise<ServiceBalance> {
  const { service, counters, expiresAt } = summary
  const { tokenId } = verified.identifier
  const revoked = ledger.isRevoked(verified.identifier)
  const expired = expiresAt !== null && expiresAt <= nowSeconds
  // What has been paid is there to be used, though nothing has been used of it yet. Not once it is over: the books forget
  // such a payment, and would take it for a new one (rule 1).
  if (summary.credit !== null && !revoked && !expired && verified.source === 'derived')
    await ledger.credit(redemptionOf(verified, summary, service), summary.credit.amountMsat)
  const back = callRefundAccount(verified.identifier.paymentHash)
  const states = await ledger.read([...counters.map(({ key }) => key), tokenId, back])
  const refunded = states[counters.length + 1]
  const budgets = counters.map(({ kind, condition, limit }, index): BudgetState => {
    // What was given back is the first counter's, which is what was bought.
    const more = index === 0 && kind === 'max_calls' ? (refunded?.credited ?? 0n) : 0n
    const used = usedIn(states[index]) + (more === 0n ? 0n : usedIn(refunded))
    return { condition, limit: limit + more, left: limit + more - used }
  })
  const account = states[counters.length]
  const credit =
    summary.credit === null || account?.credited === undefined
      ? null
      : {
          creditedMsat: account.credited,
          leftMsat: account.credited - account.used,
          lostMsat: account.lost ?? 0n,
        }
  const empty = budgets.some(({ left }) => left < 1n) || (credit !== null && credit.leftMsat < 1n)
  const reason = revoked ? 'revoked' : expired ? 'expired' : empty ? 'exhausted' : undefined
  const balance = { service, usable: reason === undefined, expiresAt, budgets, credit }
  return reason === undefined ? balance : { ...balance, reason }
}

function usedIn(state: CounterState | undefined): bigint {
  return state?.used ?? 0n
}

/** {@link Balance} as its JSON document has it: amounts are numbers, in msat. */
export interface BalanceBody {
  readonly tokenId: string
  readonly paymentHash: string
  readonly services: readonly {
    readonly service: string
    readonly usable: boolean
    readonly reason?: string
    readonly expiresAt: number | null
    readonly budgets: readonly { readonly condition: string; readonly limit: number; readonly left: number }[]
    readonly credit: {
      readonly creditedMsat: number
      readonly leftMsat: number
      readonly lostMsat: number
    } | null
  }[]
  /** Where the credential is one of a session of the Payment scheme. */
  readonly session?: SessionStanding
}

/** The JSON document of a balance. */
export function balanceBody({ tokenId, paymentHash, services, session }: Balance): BalanceBody {
  return {
    tokenId,
    paymentHash,
    ...(session === undefined ? {} : { session }),
    services: services.map(({ budgets, credit, ...service }) => ({
      ...service,
      budgets: budgets.map(({ condition, limit, left }) => ({
        condition,
        limit: Number(limit),
        left: Number(left),
      })),
      credit:
        credit === null
          ? null
          : {
              creditedMsat: Number(credit.creditedMsat),
              leftMsat: Number(credit.leftMsat),
              lostMsat: Number(credit.lostMsat),
            },
    })),
  }
}
