/**
 * Whether what was paid for has arrived (rule C8). At its headers an answer is noted and proves nothing: it may break off, and
 * the process may die. It counts as redeemed once it is there whole, and as not served where it broke off or led to nothing.
 */

import type { StoredCredential } from '../stores/purse.ts'
import type { Call } from './call.ts'
import type { FetchOutcome } from './types.ts'

/** An answer to a credential that was never served before; its body is still to come. */
export interface AwaitedAnswer {
  readonly credential: Pick<StoredCredential, 'id' | 'paymentHash'>
  readonly status: number
}

const calls = new WeakMap<FetchOutcome, Call>()

/** Notes the headers of an answer that is no denial. */
export async function awaitDelivery({ run, awaited }: Call, answer: AwaitedAnswer): Promise<void> {
  const { credential, status } = answer
  // What was served once stays so: nothing to look up.
  if (run.redeemed.has(credential.id)) return
  const payment = await run.purse.payment(credential.paymentHash)
  if (!payment || payment.served === 'redeemed') {
    run.redeemed.add(credential.id)
    return
  }
  awaited.push(answer)
  // Not served is not forgotten by a beginning.
  if (payment.served === 'unserved')
    // Books that cannot be written now break no answer: what they do not know is presented again.
    await run.purse.recordServed(credential.paymentHash, 'unserved', status).catch(() => {})
}

/** Its end is on the books. */
export function forgetAwaited({ awaited }: Call, { id }: AwaitedAnswer['credential']): void {
  const others = awaited.filter(({ credential }) => credential.id !== id)
  awaited.splice(0, awaited.length, ...others)
}

/** The end of a call, but for the body of its answer: what led to no answer was not served. */
export async function concluded(call: Call, outcome: FetchOutcome): Promise<FetchOutcome> {
  if (call.awaited.length === 0) return outcome
  if (outcome.kind === 'served') {
    calls.set(outcome, call)
    if (outcome.response.body === null && !call.request.bodyElsewhere) await delivered(outcome, 'whole')
  } else if (!isGivenUp(call.request.signal)) await book(call, 'not_served')
  return outcome
}

/** Whether the books wait for {@link delivered}. */
export function isAwaited(outcome: FetchOutcome): boolean {
  return calls.has(outcome)
}

/** Whether the caller gave up by itself. A time-out does not count: the server was too slow. */
export function isGivenUp(signal: AbortSignal | null): boolean {
  return signal?.aborted === true && (signal.reason as { name?: unknown } | null)?.name !== 'TimeoutError'
}

/**
 * Tells the books how the body of an answer ended: `whole`, which is as far as it was wanted, or `cut`, by no wish of whoever
 * read it. For those who read the answers of `Buyer.fetch` and `Buyer.payQuote`; `payingFetch` does it by itself. Until it is
 * told, and after a crash, what was paid counts as not served yet: it is presented again before anything is bought there (rule
 * C8). Does nothing for an outcome that nothing waits for. Throws `store_unavailable`; then it can be told again.
 */
export async function delivered(outcome: FetchOutcome, how: 'whole' | 'cut'): Promise<void> {
  const call = calls.get(outcome)
  if (call === undefined) return
  calls.delete(outcome)
  try {
    await book(call, how === 'whole' ? 'redeemed' : 'not_served', how === 'cut' ? 0 : undefined)
  } catch (error) {
    calls.set(outcome, call)
    throw error
  }
}

/** @param lastStatus - Of the last answer; default: that of its headers. */
async function book(
  { run, awaited }: Call,
  served: 'redeemed' | 'not_served',
  lastStatus?: number,
): Promise<void> {
  for (const [i, { credential, status }] of awaited.entries()) {
    const isLast = i === awaited.length - 1
    await run.purse.recordServed(credential.paymentHash, served, isLast ? (lastStatus ?? status) : status)
    if (served === 'redeemed') run.redeemed.add(credential.id)
  }
  awaited.splice(0)
}
