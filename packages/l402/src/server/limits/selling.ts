/** Challenges within bounds: what is handed out again, what is refused, and when the node is asked (rule S10). */

import { isL402Error } from '../../core/errors.ts'
import type { InvoiceBackend } from '../../lightning/backend.ts'
import { lightningUnavailable, overCapacity, storeUnavailable, tooManyAnswer } from '../answers.ts'
import type { ChallengeLimitOptions } from '../challenge-limit.ts'
import type { ChallengeFor, Challenger, IssuedChallenge } from '../challenger.ts'
import { clientPrefix } from '../client-prefix.ts'
import type { GateRequest, Refused } from '../gate.ts'
import { withMemo } from '../memo.ts'
import { withDeadline } from '../with-deadline.ts'
import { checkAllowance, type LimitAsk, type LimitAuthority } from './authority.ts'
import { type ChallengeReuseOptions, challengeReuse, wantedBy } from './challenge-reuse.ts'
import type { NodeGuard, NodeGuardOptions } from './node-guard.ts'

/** What bounds the invoices that unpaid requests cost. */
export interface ChallengeEconomics {
  /** Invoices of all clients together; 1000 a minute if left out, `null`: no bound. Exempt clients are not counted. */
  readonly global?: { readonly limit: number; readonly perSeconds: number } | null
  /**
   * One invoice for repeated unpaid requests of one client address, route and price while it is fresh; `false`: one for each.
   * Clients behind one address share it until it is paid. Exempt clients get one for each.
   */
  readonly reuse?: ChallengeReuseOptions | false
  /** When a node that fails is left alone. */
  readonly node?: NodeGuardOptions
}

/** What selling works with. */
export interface SellingOptions {
  readonly lightning: Pick<InvoiceBackend, 'network' | 'invoiceCapabilities'>
  /** The way to it. */
  readonly node: NodeGuard
  /** Milliseconds in which it has to say whether a challenge that is out has been paid. */
  readonly deadlineMs: number
  readonly limits: LimitAuthority
  readonly now: () => number
  readonly perPrefix: ChallengeLimitOptions
  readonly economics: ChallengeEconomics
  /** Makes challenges with invoices of this backend. */
  challenger(lightning: Pick<InvoiceBackend, 'createInvoice' | 'createHoldInvoice' | 'network'>): Challenger
}

/** Sells within bounds. */
export interface Selling {
  /** A challenge, or why there is none now. Throws nothing for what a node or a client does. */
  sell(request: GateRequest, buyer: ChallengeFor): Promise<IssuedChallenge | Refused>
  /** What was bought with this payment hash (lower-case hex) has been presented. */
  redeemed(paymentHash: string): void
  /** Challenges that may be handed out again. */
  readonly held: number
}

/**
 * See {@link Selling}.
 *
 * @throws RangeError for options out of range.
 */
export function createSelling(options: SellingOptions): Selling {
  const { lightning, node, limits, now, perPrefix, economics } = options
  const { limit, perSeconds, exempt = () => false } = perPrefix
  const { global = { limit: 1_000, perSeconds: 60 } } = economics
  const ofPrefix = limit === null ? null : allowance('challenge limit', limit, perSeconds)
  const ofAll = global === null ? null : allowance('global limit', global.limit, global.perSeconds)
  const reuse =
    // Without the node's word nobody knows whether an invoice is paid.
    economics.reuse === false || !lightning.invoiceCapabilities.looksUp
      ? undefined
      : challengeReuse<Refused>(
          (paymentHash) =>
            withDeadline(options.deadlineMs, (signal) => node.lookupInvoice(paymentHash, signal)),
          now,
          economics.reuse ?? {},
        )
  const issue = options.challenger({ ...node, network: lightning.network })

  async function make(
    request: GateRequest,
    buyer: ChallengeFor,
    free: boolean,
  ): Promise<IssuedChallenge | Refused> {
    const restSeconds = node.retryAfterSeconds()
    if (restSeconds > 0) return lightningUnavailable(request, restSeconds)
    if (!free) {
      const refused = await count(request)
      if (refused !== undefined) return refused
    }
    return issue(request.route, buyer)
  }

  async function count(request: GateRequest): Promise<Refused | undefined> {
    const own: LimitAsk[] =
      ofPrefix === null
        ? []
        : [{ rule: 'challenges', key: clientPrefix(request.clientAddress), allowance: ofPrefix }]
    if (own.length > 0) {
      const waitMs = await limits.take(own)
      const detail = 'too many unpaid requests from this network'
      if (waitMs > 0) return tooManyAnswer(request, 'challenge_limit', detail, Math.ceil(waitMs / 1000))
    }
    if (ofAll === null) return undefined
    const waitMs = await limits.take([{ rule: 'challenges', key: '', allowance: ofAll }])
    if (waitMs === 0) return undefined
    limits.giveBack(own)
    return overCapacity(request, Math.ceil(waitMs / 1000))
  }

  return {
    async sell(asked, buyer) {
      const request = { ...asked, route: withMemo(asked) }
      const free = exempt(request.clientAddress)
      try {
        // Who is not known by an address is many. What is paid on delivery is for one request alone.
        if (reuse === undefined || free || request.clientAddress === '' || request.route.hold === true)
          return await make(request, buyer, free)
        return await reuse.get(wantedBy(request.route, buyer), () => make(request, buyer, false))
      } catch (error) {
        // The limits of several processes are counted in one of them.
        if (isL402Error(error, 'store_unavailable')) return storeUnavailable(request)
        if (!isL402Error(error, 'lightning_unavailable') && !isL402Error(error, 'lightning_invalid'))
          throw error
        return lightningUnavailable(request, node.retryAfterSeconds() || undefined)
      }
    },
    redeemed: (paymentHash) => reuse?.redeemed(paymentHash),
    get held() {
      return reuse?.size ?? 0
    },
  }
}

function allowance(what: string, limit: number, perSeconds: number): LimitAsk['allowance'] {
  const checked = { requests: limit, windowMs: perSeconds * 1000, burst: limit }
  checkAllowance(what, checked)
  return checked
}
