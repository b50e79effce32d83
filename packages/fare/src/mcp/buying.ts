/** One call's purchase: the lowest of all limits, and a person's approval where it is needed. */

import type {
  Approve,
  Buyer,
  BuyerOptions,
  FetchOutcome,
  PolicyReason,
  PreparedRequest,
  Quote,
} from '@turnpike/l402/client'
import { readConfig } from '../config-file.ts'
import { configFile } from '../paths.ts'
import { openSession, type Session } from '../session.ts'
import type { Desk } from './desk.ts'

/** What a call may spend, and what it was told. */
export interface Order {
  readonly request: PreparedRequest
  /** `max` of the call; can only lower the limits. */
  readonly maxMsat: bigint | undefined
  /** A quote to pay exactly. */
  readonly quoteId: string | undefined
  /** The quote that a person has approved. */
  readonly approvedId: string | undefined
  readonly onEvent: NonNullable<BuyerOptions['onEvent']>
}

/** How buying ended, or that a person is to be asked first. Nothing has been paid in that case. */
export type Bought =
  | { readonly kind: 'done'; readonly outcome: FetchOutcome; readonly spentMsat: bigint }
  | { readonly kind: 'ask'; readonly quote: Quote }

/** Buys, by the policy of the purse and the settings of this process. */
export async function buy(desk: Desk, session: Session, order: Order): Promise<Bought> {
  const { settings, calls } = desk
  const { request, approvedId } = order
  const maxMsat = lowest(order.maxMsat, settings.maxMsat, calls.spentMsat)
  const quoteId = approvedId ?? order.quoteId
  // Until a person has said yes, the threshold is a limit like any other.
  const ask = approvedId === undefined ? settings.askAboveMsat : undefined
  const capped = ask !== undefined && (maxMsat === undefined || ask < maxMsat)
  const buyer = buyerOf(desk, session, { ...order, maxMsat: capped ? ask : maxMsat })
  try {
    const outcome = await (quoteId === undefined ? buyer.fetch(request) : buyer.payQuote(quoteId, request))
    if ((capped && wantsMore(outcome)) || needsPerson(outcome)) {
      const quote = await priceOf(desk, session, { ...order, maxMsat })
      const refusal = quote?.refusal ?? null
      if (quote && (refusal === null || APPROVABLE.has(refusal.reason))) {
        await discard(outcome)
        return { kind: 'ask', quote }
      }
      // Whatever a person said: the limit to name is the one that stands, not the threshold.
      if (outcome.kind === 'refused' && refusal?.kind === 'refused')
        return { kind: 'done', outcome: { ...outcome, ...refusedBy(refusal) }, spentMsat: buyer.spentMsat }
    }
    return { kind: 'done', outcome, spentMsat: buyer.spentMsat }
  } finally {
    calls.spend(buyer.spentMsat)
  }
}

/** The buyer of one call. */
export function buyerOf(
  { settings, web }: Desk,
  session: Session,
  order: Pick<Order, 'maxMsat' | 'onEvent'> & Partial<Pick<Order, 'approvedId'>>,
): Buyer {
  return session.buyer({
    ...approverOf(settings, order.approvedId),
    sandbox: settings.sandbox,
    wallet: settings.wallet,
    fetch: web.fetch,
    noPay: settings.noPay,
    maxMsat: order.maxMsat,
    onEvent: order.onEvent,
  })
}

/**
 * Who approves what the budget wants approved: the person whom the host has asked about exactly this quote; else the page or the
 * webhook of the configuration. Never the terminal: it is the host's, and nobody reads it.
 */
function approverOf(
  { env }: Desk['settings'],
  approvedId: string | undefined,
): { readonly approve?: Approve | null } {
  if (approvedId !== undefined) return { approve: async () => 'approved' }
  const { by } = readConfig(configFile(env)).approval
  return by === 'page' || by === 'webhook' ? {} : { approve: null }
}

/** The lowest limit; what the process has spent is taken off its own. */
export function lowest(
  call: bigint | undefined,
  process: bigint | undefined,
  spentMsat: bigint,
): bigint | undefined {
  if (process === undefined) return call
  const left = process > spentMsat ? process - spentMsat : 0n
  return call !== undefined && call < left ? call : left
}

/** Whether it was only the threshold that stood in the way. */
function wantsMore(outcome: FetchOutcome): boolean {
  // A threshold of 0 asks about everything: to the buyer that is a run that pays nothing.
  return outcome.kind === 'refused' && (outcome.reason === 'over_max' || outcome.reason === 'no_pay')
}

/** Whether the budget wants somebody to approve it, and there was nobody. */
function needsPerson(outcome: FetchOutcome): boolean {
  return outcome.kind === 'refused' && APPROVABLE.has(outcome.reason)
}

/** Refusals that a person's yes lifts. */
export const APPROVABLE: ReadonlySet<string> = new Set(['approval_required', 'price_jump'])

type Refusal = NonNullable<Quote['refusal']>

/** A quote's refusal as that of a call. */
function refusedBy({
  reason,
  detail,
  overBudget,
}: Refusal): Pick<Extract<FetchOutcome, { kind: 'refused' }>, 'reason' | 'detail' | 'overBudget'> {
  return { reason: reason as PolicyReason, detail, overBudget }
}

/** What it would cost, and what policy says; `undefined` where nothing is asked for any more. */
async function priceOf(desk: Desk, session: Session, order: Order): Promise<Quote | undefined> {
  const buyer = buyerOf(desk, session, order)
  const priced = await buyer.quote(order.request)
  await priced.response.body?.cancel()
  return priced.kind === 'quote' ? priced.quote : undefined
}

async function discard(outcome: FetchOutcome): Promise<void> {
  if ('response' in outcome) await outcome.response?.body?.cancel().catch(() => {})
}

/** Opens the purse for one call, as one run of `fare get` does: what a person sets takes hold at once. */
export async function withSession<T>(desk: Desk, task: (session: Session) => Promise<T>): Promise<T> {
  const session = openSession(desk.settings.env)
  try {
    return await task(session)
  } finally {
    await session.close()
  }
}
