/** One call of a buyer: what it has presented and bought so far, and how its outcomes are made. */

import { encodeHex } from '../core/bytes.ts'
import type { StoredCredential } from '../stores/purse.ts'
import { type AwaitedAnswer, awaitDelivery, forgetAwaited } from './delivery.ts'
import type { NotPaid } from './gate.ts'
import type { Hop } from './hop.ts'
import type { Paid } from './pay.ts'
import { receiptOf } from './payment-scheme/receipt.ts'
import type { Run } from './run.ts'
import type { ChallengeReason, FetchOutcome, PolicyReason, PreparedRequest, Purchase } from './types.ts'

/** Time of use is written this often at most: every write goes to the disk. */
const TOUCH_MS = 60_000

/** The state of one call. */
export interface Call {
  readonly run: Run
  readonly request: PreparedRequest
  readonly purchases: Purchase[]
  /** Ids of credentials that this call has presented. */
  readonly tried: Set<string>
  /** Answers to credentials, of which nothing is known but their headers. */
  readonly awaited: AwaitedAnswer[]
  /** The one invoice that this call may pay, as it was quoted; left out: whichever policy allows. */
  readonly onlyInvoice?: string
  /** Origins that get credentials as they were bought for the rest of this call. */
  readonly asBought: Set<string>
}

/** Starts a call. */
export function startCall(run: Run, request: PreparedRequest): Call {
  return { run, request, purchases: [], tried: new Set(), awaited: [], asBought: new Set() }
}

/** Statuses that are not the resource although it was paid for (rule C8); what the resource itself says is served. */
function isDenial(status: number): boolean {
  return status >= 500 || [401, 402, 403, 407, 408, 425, 429].includes(status)
}

/** An answer that needs no more paying, and what the books say about it. */
export async function answered(
  call: Call,
  hop: Hop,
  answer: { readonly response: Response; readonly credential: StoredCredential | null },
): Promise<FetchOutcome> {
  const { run, purchases } = call
  const { response, credential } = answer
  const { status } = response
  const base = { url: hop.url.href, purchases }
  // What a redirect led to denies it, with a credential of its own or without: then what was paid on the way is not served.
  const denied = isDenial(status) ? await deniedBy(call, credential) : undefined
  if (denied)
    return await notServed(call, hop, {
      credential: denied,
      response,
      detail: `the server answered ${status}`,
    })
  if (credential) {
    if (run.now() - credential.lastUsedAtMs >= TOUCH_MS) await run.purse.touchCredential(credential.id)
    await awaitDelivery(call, { credential, status })
  }
  const credentialId = credential?.id ?? null
  const reused = credential !== null && !purchases.some((bought) => bought.credentialId === credential.id)
  run.emit({ type: 'served', status, credentialId })
  const receipt = credential && receiptOf(response, credential.paymentHash)
  return { ...base, kind: 'served', response, credentialId, reused, receipt }
}

/** What a denial leaves unserved; nothing where all of it was served before, or was paid by nobody here. */
async function deniedBy(
  { run, awaited }: Call,
  credential: StoredCredential | null,
): Promise<AwaitedAnswer['credential'] | undefined> {
  if (credential && !run.redeemed.has(credential.id)) {
    const payment = await run.purse.payment(credential.paymentHash)
    if (payment && payment.served !== 'redeemed') return credential
  }
  return awaited.at(-1)?.credential
}

/** Paid and not served, on the books and as an outcome (rule C8). */
export async function notServed(
  call: Call,
  hop: Hop,
  what: {
    readonly credential: Pick<StoredCredential, 'id' | 'paymentHash'>
    readonly response: Response | null
    readonly detail: string
    readonly cause?: unknown
  },
): Promise<FetchOutcome> {
  const { credential, response, detail, cause } = what
  const status = response?.status ?? 0
  const paymentHash = encodeHex(credential.paymentHash)
  await call.run.purse.recordServed(credential.paymentHash, 'not_served', status)
  forgetAwaited(call, credential)
  call.run.emit({ type: 'not_served', status, paymentHash })
  const base = { url: hop.url.href, purchases: call.purchases }
  return { ...base, kind: 'not_served', response, credentialId: credential.id, paymentHash, detail, cause }
}

/** A refusal as an outcome. */
export function refusedOutcome(
  call: Call,
  hop: Hop,
  what: { readonly why: NotPaid; readonly response: Response | null },
): FetchOutcome {
  const { why, response } = what
  const { detail, offer, overBudget } = why
  call.run.emit({ type: 'refused', reason: why.reason, detail })
  const base = { url: hop.url.href, purchases: call.purchases, detail, offer, response }
  return why.kind === 'refused'
    ? { ...base, kind: 'refused', reason: why.reason as PolicyReason, overBudget }
    : { ...base, kind: 'unpayable', reason: why.reason as ChallengeReason }
}

/** A payment that did not come to a credential, as an outcome. */
export function unpaidOutcome(
  call: Call,
  hop: Hop,
  what: { readonly paid: Exclude<Paid, { ok: true }>; readonly response: Response | null },
): FetchOutcome {
  const { paid, response } = what
  if ('reason' in paid) return refusedOutcome(call, hop, { why: paid, response })
  const base = { url: hop.url.href, purchases: call.purchases, detail: paid.detail }
  if (paid.kind === 'wallet_unreachable') return { ...base, kind: paid.kind, cause: paid.cause }
  return { ...base, kind: paid.kind, paymentHash: paid.paymentHash }
}
