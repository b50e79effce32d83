/** A payment that a client wants on a session: proven, and with what the server itself said of it in the challenge. */

import type { Summary } from '../../../core/clear.ts'
import type { Redemption } from '../../../stores/ledger.ts'
import type { VerifiedCredential } from '../../verify.ts'

/** See the file's comment. */
export interface Deposit {
  readonly verified: VerifiedCredential
  readonly summary: Summary
  /** As the ledger credits it. */
  readonly redemption: Redemption
  readonly challengeId: string
  /** Of the challenge, in base64. */
  readonly macaroon: string
  /** Route that it was sold for. */
  readonly route: string
  readonly paidMsat: bigint
  /** Milliseconds since 1970 at which the challenge ends. */
  readonly expiresAtMs: number
}

/** What the client says when it opens. */
export interface DepositTerms {
  /** Not looked at yet. */
  readonly returnInvoice: string
  readonly pin: boolean
}

/** Why an action is refused. */
export type SessionFault =
  | 'closed'
  | 'expired'
  /** The payment has bought nothing that a session could draw on. */
  | 'no_balance'
  /** More than a session may hold. */
  | 'too_much'
  /** The payment has been used for something else. */
  | 'consumed'
  /** The payment is for another route. */
  | 'other_route'
  | { readonly fault: 'return_invoice'; readonly detail: string }
