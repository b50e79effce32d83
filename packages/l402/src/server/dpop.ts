/** Proof of possession (RFC 9449): what the gate asks of whoever can check signatures. */

import type { HeaderLines } from '../core/header-lines.ts'

/** What a proof is checked against. */
export interface ProofRequest {
  readonly method: string
  /** Scheme, authority and normalised path, e.g. `https://api.example.com/v1/chat`; no query. */
  readonly url: string
  readonly headers: HeaderLines
  /**
   * Texts of the credential that `ath` may be the hash of (RFC 9449 §4.2): what stands behind the scheme, and the macaroon
   * alone. Empty where the request carries none yet: then no `ath` is demanded.
   */
  readonly tokens: readonly string[]
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** A proof that holds. */
export interface Proof {
  readonly ok: true
  /** JWK SHA-256 thumbprint of the key that made it (RFC 7638), base64url. */
  readonly thumbprint: string
  /** SHA-256 over thumbprint and `jti`: the same for the same proof, 32 bytes. */
  readonly mark: Uint8Array
  /** Milliseconds since 1970 from which on the proof is too old; until then its mark must not be seen twice. */
  readonly untilMs: number
}

/** Checks the `DPoP` line of a request: signature, `htm`, `htu`, `iat`, `ath`. Replays are the gate's to find. */
export type ProofVerifier = (
  request: ProofRequest,
) => Promise<Proof | { readonly ok: false; readonly detail: string }>
