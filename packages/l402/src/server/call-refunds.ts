/** Calls that were given back: an account of its own for each payment, in calls, drawn when those it bought are used up. */

import { concatBytes, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { CounterUse } from '../stores/ledger.ts'
import type { VerifiedCredential } from './verify.ts'

const LABEL = encodeUtf8('turnpike calls given back')

/** Names the account of calls given back for a payment (32-byte hash) in the ledger. */
export function callRefundAccount(paymentHash: Uint8Array): Uint8Array {
  return sha256(concatBytes(LABEL, paymentHash))
}

/**
 * The uses of a request whose calls were found used up, with what was given back in their place; `undefined` where the
 * failed counter is not the one that was bought. Narrower copies go on counting on their own.
 */
export function withRefundedCalls(
  uses: readonly CounterUse[],
  failed: number | 'revoked',
  { source, identifier }: VerifiedCredential,
): readonly CounterUse[] | undefined {
  const [bought, ...others] = uses
  if (failed !== 0 || bought === undefined || bought.metered === true || bought.limit === 'credited')
    return undefined
  // Another server's mint may have left the counter out, so the first one may be a holder's.
  if (source !== 'derived') return undefined
  const key = callRefundAccount(identifier.paymentHash)
  return [{ key, limit: 'credited', amount: bought.amount }, ...others]
}
