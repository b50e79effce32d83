import { encodeHex, equalBytes } from '../core/bytes.ts'
import { verifyChain } from '../core/chain.ts'
import type { ChainedCaveat } from '../core/clear.ts'
import type { Credential } from '../core/credential.ts'
import { isL402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { decodeIdentifier, type Identifier } from '../core/identifier.ts'
import type { Macaroon } from '../core/macaroon.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { KeyRing } from './keys.ts'

/** A credential whose chain and preimage hold. What its caveats allow is another question (clear.ts). */
export interface VerifiedCredential {
  readonly ok: true
  /** Whether its root key was derived here, or is one that another server made and kept (protocol §4). */
  readonly source: 'derived' | 'stored'
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
  return verifyWith(credential, (identifier) => keys.candidates(identifier), 'derived')
}

/** The same with the root key that is stored for the credential's identifier. */
export function verifyStored(credential: Credential, rootKey: Uint8Array): VerifiedCredential | Refusal {
  return verifyWith(credential, () => [rootKey], 'stored')
}

function verifyWith(
  credential: Credential,
  rootKeys: (identifier: Uint8Array) => Iterable<Uint8Array>,
  source: VerifiedCredential['source'],
): VerifiedCredential | Refusal {
  const { macaroon, preimage } = credential
  let identifier: Identifier
  try {
    identifier = decodeIdentifier(macaroon.identifier)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return refuse('malformed', error.message)
    throw error
  }
  const signatures = findChain(macaroon, rootKeys(macaroon.identifier))
  if (signatures === undefined)
    return refuse('bad_signature', 'this macaroon was not made by this server, or has been altered')
  if (!equalBytes(sha256(preimage), identifier.paymentHash))
    return refuse('bad_preimage', "the preimage does not belong to this macaroon's invoice")
  return {
    ok: true,
    source,
    identifier,
    tokenId: encodeHex(identifier.tokenId),
    paymentHash: encodeHex(identifier.paymentHash),
    caveats: macaroon.caveats.map((caveat, i) => ({ caveat, signature: signatures[i + 1] as Uint8Array })),
  }
}

function findChain(macaroon: Macaroon, rootKeys: Iterable<Uint8Array>): readonly Uint8Array[] | undefined {
  for (const rootKey of rootKeys) {
    const signatures = verifyChain(rootKey, macaroon)
    if (signatures !== undefined) return signatures
  }
  return undefined
}
