/**
 * Faults. A refused credential or payment is a value (refusal.ts); what is thrown is one {@link L402Error}
 * with a stable `code`. Wrong use of the API is a `TypeError` or `RangeError` at set-up.
 */

/** The closed set of fault codes; semver covers it. */
export type L402ErrorCode =
  /** Bytes or text that are not what the named format demands (macaroon, invoice, challenge, …). */
  | 'malformed'
  /** A store could not be reached or written; nothing was changed (protocol §5 rule 9). */
  | 'store_unavailable'
  /** A store holds something this version must not touch (newer schema, damaged file). */
  | 'store_incompatible'
  /** The Lightning backend could not be reached or refused to work; nothing was paid. */
  | 'lightning_unavailable'
  /** The Lightning backend answered with something that breaks its contract. */
  | 'lightning_invalid'
  /** Play money where real money is meant: production, or a mainnet network. */
  | 'sandbox_forbidden'
  /** The purse refused to pay: a limit, a policy, or a challenge that is not payable. */
  | 'payment_refused'
  /** The payment failed for certain; nothing was spent. */
  | 'payment_failed'
  /** The payment's outcome is not known; it must be looked up, never repeated (rule C3). */
  | 'payment_unknown'
  /** Paid, and the server still did not serve (rule C8). */
  | 'paid_not_served'
  /** The request cannot be sent again after paying, e.g. a one-time stream as its body (rule C6). */
  | 'not_replayable'

// Shared by all copies of this library in a process.
const brand = Symbol.for('turnpike.l402.error')

/** What an {@link L402Error} may carry besides its message. Never a secret. */
export interface L402ErrorOptions {
  cause?: unknown
  /** Machine-readable facts about the fault; must not hold a macaroon, preimage, key or header value. */
  details?: Readonly<Record<string, string | number | boolean | null>>
}

/** The one fault class. Recognise it with {@link isL402Error}, which also sees other copies of this library. */
export class L402Error extends Error {
  override readonly name = 'L402Error'
  readonly code: L402ErrorCode
  readonly details: Readonly<Record<string, string | number | boolean | null>>

  constructor(code: L402ErrorCode, message: string, options: L402ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `value` is an {@link L402Error}, with the given `code` if one is named. */
export function isL402Error(value: unknown, code?: L402ErrorCode): value is L402Error {
  if (typeof value !== 'object' || value === null || !(brand in value)) return false
  return code === undefined || ('code' in value && value.code === code)
}
