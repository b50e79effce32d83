/** Whether those who may forbid a purchase let it pass: the hook first, then somebody who approves. Fails closed. */

import { formatAmount } from '../core/amount.ts'
import { limitsOf } from '../stores/lib/purse-rules.ts'
import { shownText } from './credential-facts.ts'
import { type NotPaid, refusedBy } from './gate.ts'
import { lastPaid } from './paid-before.ts'
import type { ProposedPurchase } from './proposal.ts'
import type { Run } from './run.ts'
import { hostOf, scopeOf } from './scope.ts'
import type { Offer } from './types.ts'

/** Longest reason of a hook that is shown. */
const MOST_REASON = 200

/** What is to be bought, and where. */
export interface Wanted {
  readonly method: string
  readonly url: URL
  /** Scope of the request that redirects may have led here. */
  readonly askedScope: string
  readonly offer: Offer
}

/** The purchase as it is shown to those who may forbid it. */
export async function propose(
  run: Run,
  { method, url, askedScope, offer }: Wanted,
): Promise<ProposedPurchase> {
  const { amountMsat, maxFeeMsat, payee, network, description, paymentHash, expiresAt, caveats } = offer
  const last = await lastPaid(run, { scope: scopeOf(method, url), askedScope })
  const { task } = run
  const host = hostOf(url)
  const { overall, hosts, payees, tasks, breakers } = await run.budget()
  const limits = [overall, limitsOf(hosts, host), limitsOf(payees, payee), limitsOf(tasks, task)]
  const thresholds = [...limits.map((one) => one.approveAboveMsat), run.options.approveAboveMsat]
  const above = thresholds.some((most) => most !== undefined && amountMsat + maxFeeMsat > most)
  const jumped = last !== undefined && isJump(amountMsat, last.amountMsat, breakers?.priceJump)
  return {
    method,
    origin: url.origin,
    host,
    path: shownText(url.pathname),
    amountMsat,
    maxFeeMsat,
    payee,
    network,
    description,
    paymentHash,
    expiresAt,
    caveats,
    task,
    asks: jumped ? 'price_jump' : above ? 'threshold' : null,
    lastAmountMsat: last?.amountMsat ?? null,
  }
}

function isJump(amountMsat: bigint, lastMsat: bigint, times: number | undefined): boolean {
  return times !== undefined && amountMsat * 1000n > lastMsat * BigInt(Math.ceil(times * 1000))
}

/** Why it cannot be paid because there is nobody to ask; `undefined` where it can, or somebody can be asked. */
export function nobodyToAsk(run: Run, purchase: ProposedPurchase, offer: Offer): NotPaid | undefined {
  if (purchase.asks === null || run.options.approve) return undefined
  const price = formatAmount(purchase.amountMsat)
  return purchase.asks === 'price_jump'
    ? refusedBy(
        'price_jump',
        `the price is ${price}, the last one paid here was ${formatAmount(purchase.lastAmountMsat ?? 0n)}, and there is nobody to approve it`,
        { offer },
      )
    : refusedBy(
        'approval_required',
        `${price} with its fee reserve must be approved, and there is nobody to ask`,
        { offer },
      )
}

/** Asks whoever has to be asked; answers why not. */
export async function consent(
  run: Run,
  wanted: Wanted,
  signal: AbortSignal | null,
): Promise<NotPaid | undefined> {
  const { offer } = wanted
  const { hook, approve, hookTimeoutMs = 10_000, approvalTimeoutMs = 120_000 } = run.options
  const purchase = await propose(run, wanted)
  const alone = nobodyToAsk(run, purchase, offer)
  if (alone) return alone
  if (hook) {
    const answer = await inTime((options) => hook(purchase, options), hookTimeoutMs, signal)
    if (answer?.allow !== true) {
      const said = answer?.allow === false && typeof answer.reason === 'string' ? answer.reason : ''
      const why = said === '' ? '' : `: ${shownText(said).slice(0, MOST_REASON)}`
      return refusedBy('hook_denied', `the payment hook ${answer ? 'denied it' : 'did not answer'}${why}`, {
        offer,
      })
    }
  }
  if (purchase.asks === null || !approve) return undefined
  run.emit({ type: 'asking', paymentHash: offer.paymentHash, asks: purchase.asks })
  const answer = await inTime((options) => approve(purchase, options), approvalTimeoutMs, signal)
  if (answer === 'approved') return undefined
  const detail = answer === undefined ? 'nobody approved it in time' : 'it was not approved'
  return refusedBy('approval_denied', detail, { offer })
}

/** The answer; `undefined` for an error and for silence. Throws the caller's reason where the caller gave up. */
async function inTime<T>(
  ask: (options: { readonly signal: AbortSignal }) => Promise<T>,
  timeoutMs: number,
  caller: AbortSignal | null,
): Promise<T | undefined> {
  caller?.throwIfAborted()
  const over = new AbortController()
  const stop = (): void => over.abort(caller?.reason)
  caller?.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(
    () => over.abort(new DOMException('nobody answered in time', 'TimeoutError')),
    timeoutMs,
  )
  const silence = new Promise<undefined>((resolve) => {
    over.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  try {
    const asked = Promise.resolve()
      .then(() => ask({ signal: over.signal }))
      .catch(() => undefined)
    const answer = await Promise.race([asked, silence])
    caller?.throwIfAborted()
    return over.signal.aborted ? undefined : answer
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener('abort', stop)
    over.abort()
  }
}
