import { encodeHex, equalBytes } from '../core/bytes.ts'
import { verifyChain } from '../core/chain.ts'
import type { ChainedCaveat } from '../core/clear.ts'
import type { Credential } from '../core/credential.ts'
import { isL402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { decodeIdentifier, type Identifier } from '../core/identifier.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { KeyRing } from './keys.ts'

/** A credential whose chain and preimage hold. What its caveats allow is another question (clear.ts). */
export interface VerifiedCredential {
  readonly ok: true
  readonly identifier: Identifier
  /** Lower-case hex, for upstreams and logs. */
  readonly tokenId: string
  /** Lower-case hex, for upstreams and logs. */
  readonly paymentHash: string
  /** Each caveat with the chain signature just after it. */
  readonly caveats: readonly ChainedCaveat[]
}

/**
 * Identifier → root key → HMAC chain → preimage, in this order (protocol §2). Needs no store and no clock, so the answer
 * for a credential never changes while the keys stay.
 */
export function verifyCredential(credential: Credential, keys: KeyRing): VerifiedCredential | Refusal {
  const { macaroon, preimage } = credential
  let identifier: Identifier
  try {
    identifier = decodeIdentifier(macaroon.identifier)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return refuse('malformed', error.message)
    throw error
  }
  const signatures = findChain(credential, keys)
  if (signatures === undefined)
    return refuse('bad_signature', 'this macaroon was not made by this server, or has been altered')
  if (!equalBytes(sha256(preimage), identifier.paymentHash))
    return refuse('bad_preimage', "the preimage does not belong to this macaroon's invoice")
  return {
    ok: true,
    identifier,
    tokenId: encodeHex(identifier.tokenId),
    paymentHash: encodeHex(identifier.paymentHash),
    caveats: macaroon.caveats.map((caveat, i) => ({ caveat, signature: signatures[i + 1] as Uint8Array })),
  }
}

function findChain(credential: Credential, keys: KeyRing): readonly Uint8Array[] | undefined {
  for (const rootKey of keys.candidates(credential.macaroon.identifier)) {
    const signatures = verifyChain(rootKey, credential.macaroon)
    if (signatures !== undefined) return signatures
  }
  return undefined
}
