/**
 * Refusals: why a request did not pass. They are values, never thrown, and carry no secret.
 */

/** The closed set of reasons a credential or request is refused for; `code` of the problem body (rule S6). */
export type Reason =
  /** No credential in the request. */
  | 'missing'
  /** Something that is not a credential: grammar, base64, macaroon bytes, identifier, bounds (rules V1–V6). */
  | 'malformed'
  /** Stored root keys only: none is kept for this identifier (revoked, pruned, or never ours). */
  | 'unknown_key'
  /** The HMAC chain holds under no active root key. */
  | 'bad_signature'
  /** SHA-256(preimage) is not the payment hash, or several preimages differ (V4). */
  | 'bad_preimage'
  /** Strict mode: the node does not call the invoice settled. */
  | 'unsettled'
  /** The token id or payment hash has been revoked. */
  | 'revoked'
  /** `_valid_until` has passed. */
  | 'expired'
  /** The credential does not open this service (or this tier of it). */
  | 'wrong_service'
  /** A caveat is not satisfied by this request, does not parse, or widens an earlier one. */
  | 'caveat_failed'
  /** A counter is used up: calls or spend. */
  | 'exhausted'
  /** `_rate` exceeded: 429, the credential stays good. */
  | 'over_rate'

/** Why, and what exactly. */
export interface Refusal {
  readonly ok: false
  readonly reason: Reason
  /** The caveat condition that failed, e.g. `weather_max_calls`; only condition names, never values. */
  readonly condition?: string
  /** One sentence for a person: what was expected. Never a secret. */
  readonly detail: string
  /** Seconds until a repeat can succeed; with `over_rate` only. */
  readonly retryAfterSeconds?: number
  /** The rate that is exceeded: so many requests in so many seconds; with `over_rate` only. */
  readonly rate?: { readonly limit: bigint; readonly seconds: bigint }
}

/** Makes a {@link Refusal}. */
export function refuse(
  reason: Reason,
  detail: string,
  extra: Pick<Refusal, 'condition' | 'retryAfterSeconds' | 'rate'> = {},
): Refusal {
  return { ok: false, reason, detail, ...extra }
}
