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
  if (payment.served === 'unserved') await run.purse.recordServed(credential.paymentHash, 'unserved', status)
}

/** The end of a call, but for the body of its answer: what led to no answer was not served. */
export async function concluded(call: Call, outcome: FetchOutcome): Promise<FetchOutcome> {
  if (call.awaited.length === 0) return outcome
  calls.set(outcome, call)
  if (outcome.kind === 'served') {
    if (outcome.response.body === null) await delivered(outcome, 'whole')
  } else if (!call.request.signal?.aborted) await delivered(outcome, 'cut')
  return outcome
}

/** Whether the books wait for {@link delivered}. */
export function isAwaited(outcome: FetchOutcome): boolean {
  return calls.has(outcome)
}

/**
 * Tells the books how the body of an answer ended: `whole`, which is as far as it was wanted, or `cut`, by no wish of whoever
 * read it. For those who read the answers of `Buyer.fetch` and `Buyer.payQuote`; `payingFetch` does it by itself. Until it is
 * told, and after a crash, what was paid counts as not served yet: it is presented again before anything is bought there (rule
 * C8). Does nothing for an outcome that nothing waits for. Throws `store_unavailable`.
 */
export async function delivered(outcome: FetchOutcome, how: 'whole' | 'cut'): Promise<void> {
  const call = calls.get(outcome)
  if (call === undefined) return
  calls.delete(outcome)
  const { run } = call
  const last = call.awaited.at(-1)
  for (const answer of call.awaited.splice(0)) {
    const { credential, status } = answer
    const broke = how === 'cut' && outcome.kind === 'served' && answer === last
    const served = how === 'whole' ? 'redeemed' : 'not_served'
    await run.purse.recordServed(credential.paymentHash, served, broke ? 0 : status)
    if (how === 'whole') run.redeemed.add(credential.id)
  }
}
