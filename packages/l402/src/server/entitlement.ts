import type { HeaderLines } from '../core/header-lines.ts'
import type { Ledger } from '../stores/ledger.ts'
import type { Entitlement } from './gate.ts'
import type { VerifiedCredential } from './verify.ts'

const NO_HEADERS: HeaderLines = []
const DONE = Promise.resolve()

/** The hold of a time pass: nothing is counted, so nothing is held, and no store is asked. */
export function passEntitlement(credential: VerifiedCredential, service: string): Entitlement {
  return {
    tokenId: credential.tokenId,
    paymentHash: credential.paymentHash,
    service,
    counted: false,
    answerHeaders: NO_HEADERS,
    serve: () => DONE,
    commit: () => DONE,
    release: () => DONE,
  }
}

// When an end that the store refuses is tried again. After that the ledger's own recovery ends it when the store is
// opened next (protocol §5 rule 3).
const RETRY_MS = [50, 500, 5_000, 30_000]

/** The hold of a counted credential on a reservation. The first of `commit` and `release` to succeed decides. */
export function countedEntitlement(
  credential: VerifiedCredential,
  service: string,
  hold: { readonly ledger: Ledger; readonly id: bigint; readonly answerHeaders: HeaderLines },
): Entitlement {
  const { ledger, id } = hold
  return {
    tokenId: credential.tokenId,
    paymentHash: credential.paymentHash,
    service,
    counted: true,
    answerHeaders: hold.answerHeaders,
    serve: () => ledger.serve(id),
    commit: () => insist(() => ledger.commit(id)),
    release: () => insist(() => ledger.release(id)),
  }
}

async function insist(task: () => Promise<void>): Promise<void> {
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
