/**
 * The HMAC chain of a macaroon (protocol §3): whoever has a link can add caveats after it, and nobody can take one
 * away.
 */

import { concatBytes, encodeUtf8, equalBytes } from './bytes.ts'
import { encodeCaveat } from './caveat.ts'
import { hmacSha256 } from './hash.ts'
import { encodedMacaroonLength, type Macaroon, type MacaroonCaveat } from './macaroon.ts'

const KEY_GENERATOR = encodeUtf8('macaroons-key-generator')

function firstSignature(rootKey: Uint8Array, identifier: Uint8Array): Uint8Array {
  return hmacSha256(hmacSha256(KEY_GENERATOR, rootKey), identifier)
}

function nextSignature(signature: Uint8Array, caveat: MacaroonCaveat): Uint8Array {
  const { id, verificationId } = caveat
  if (verificationId === undefined) return hmacSha256(signature, id)
  // gopkg.in/macaroon.v2 binds both parts of a third-party caveat.
  return hmacSha256(signature, concatBytes(hmacSha256(signature, verificationId), hmacSha256(signature, id)))
}

/** What {@link mintMacaroon} needs. */
export interface MintOptions {
  /** Any length; 32 bytes from a key ring here. */
  readonly rootKey: Uint8Array
  readonly identifier: Uint8Array
  /** An unsigned hint (rule S9); none by default. */
  readonly location?: string
  /** `condition=value` texts, in this order. */
  readonly caveats?: readonly string[]
}

/** Makes a macaroon. Throws `RangeError` beyond the bounds of rule V6 or for a caveat that is not `condition=value`. */
export function mintMacaroon(options: MintOptions): Macaroon {
  const identifier = new Uint8Array(options.identifier)
  const signature = firstSignature(options.rootKey, identifier)
  return extend(
    { location: options.location ?? '', identifier, caveats: [], signature },
    options.caveats ?? [],
  )
}

/**
 * A narrower copy: the same macaroon with further caveats, which needs no key.
 * Throws `RangeError` like {@link mintMacaroon}.
 */
export function attenuateMacaroon(m: Macaroon, caveats: readonly string[]): Macaroon {
  return extend(m, caveats)
}

function extend(m: Macaroon, texts: readonly string[]): Macaroon {
  const caveats = [...m.caveats]
  for (const text of texts) caveats.push({ id: encodeCaveat(text) })
  const longer = { ...m, caveats }
  encodedMacaroonLength(longer)
  let signature = m.signature
  for (const caveat of caveats.slice(m.caveats.length)) signature = nextSignature(signature, caveat)
  return { ...longer, signature: new Uint8Array(signature) }
}

/**
 * Computes the chain from its root: the signature before any caveat, then the one after each caveat.
 * `undefined` if the last is not the macaroon's own (compared in constant time). A third-party caveat is part of
 * the chain like any other; clearing refuses it.
 */
export function verifyChain(rootKey: Uint8Array, m: Macaroon): readonly Uint8Array[] | undefined {
  let signature = new Uint8Array(firstSignature(rootKey, m.identifier))
  const signatures = [signature]
  for (const caveat of m.caveats) {
    signature = new Uint8Array(nextSignature(signature, caveat))
    signatures.push(signature)
  }
  return equalBytes(signature, m.signature) ? signatures : undefined
}
