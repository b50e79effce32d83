import type { HeaderLines } from '../core/header-lines.ts'
import type { Ledger } from '../stores/ledger.ts'
import type { Entitlement, Settlement } from './gate.ts'
import { encodeAnswer, LOST_ANSWER } from './idempotency.ts'
import type { VerifiedCredential } from './verify.ts'

const NO_HEADERS: HeaderLines = []
const DONE = Promise.resolve()

/** The hold of a time pass: nothing is counted, so nothing is held, and no store is asked. */
export function passEntitlement(
  credential: VerifiedCredential,
  service: string,
  { expiresAt }: Pick<Entitlement, 'expiresAt'>,
): Entitlement {
  return {
    tokenId: credential.tokenId,
    paymentHash: credential.paymentHash,
    service,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    counted: false,
    keepBytes: null,
    answerHeaders: NO_HEADERS,
    serve: () => DONE,
    draw: () => Promise.resolve(true),
    commit: () => DONE,
    release: () => DONE,
  }
}

/** What an admitted request holds in the ledger. */
export interface Hold {
  readonly ledger: Ledger
  /** The reservation; `null` where nothing is counted. */
  readonly id: bigint | null
  /** The claim that is to be ended with the answer; `null` where none is kept. */
  readonly claim: Uint8Array | null
  /** Most bytes of an answer's body that are kept. */
  readonly keepBytes: number
  readonly answerHeaders: HeaderLines
  /** See {@link Entitlement.expiresAt}. */
  readonly expiresAt?: number | null
}

// When an end that the store refuses is tried again. After that the ledger's own recovery ends it when the store is
// opened next (protocol §5 rule 3).
const RETRY_MS = [50, 500, 5_000, 30_000]

/** The hold of a counted credential on a reservation. The first of `commit` and `release` to succeed decides. */
export function countedEntitlement(
  credential: Pick<VerifiedCredential, 'tokenId' | 'paymentHash'>,
  service: string,
  { ledger, id, claim, keepBytes, answerHeaders, expiresAt }: Hold,
): Entitlement {
  // Ended once: an answer that is kept must be the one that was charged.
  let ended: Promise<void> | undefined
  let isServed = false
  // Before anything is charged for good: else a repeat after a crash would be charged, too (rule 10).
  async function serveClaim(key: Uint8Array): Promise<void> {
    await ledger.serveClaim(key, LOST_ANSWER)
    isServed = true
  }
  async function serve(): Promise<void> {
    if (claim !== null) await serveClaim(claim)
    if (id !== null) await ledger.serve(id)
  }
  async function commit({ costMsat, answer }: Settlement): Promise<void> {
    // Tried once: what is owed to the books does not wait for it.
    if (claim !== null && !isServed) await serveClaim(claim).catch(() => {})
    if (id !== null) await insist(() => ledger.commit(id, costMsat))
    if (claim === null) return
    const kept = encodeAnswer(answer !== undefined && answer.body.length <= keepBytes ? answer : null)
    await insist(() => ledger.answer(claim, kept))
  }
  async function release(): Promise<void> {
    if (id !== null) await insist(() => ledger.release(id))
    if (claim !== null) await insist(() => ledger.unclaim(claim))
  }
  return {
    tokenId: credential.tokenId,
    paymentHash: credential.paymentHash,
    service,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    counted: id !== null || claim !== null,
    keepBytes: claim === null ? null : keepBytes,
    answerHeaders,
    serve,
    draw: (costMsat) => (id === null ? Promise.resolve(true) : ledger.draw(id, costMsat)),
    commit(settlement = {}) {
      ended ??= commit(settlement)
      return ended
    },
    release() {
      ended ??= release()
      return ended
    },
  }
}

/** Tries a task again until the store takes it; never throws. */
export async function insist(task: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await task()
    } catch {
      const delay = RETRY_MS[attempt]
      if (delay === undefined) return
      await new Promise<void>((resolve) => {
        setTimeout(resolve, delay)
      })
    }
  }
}
