import { secp256k1 } from '@noble/curves/secp256k1.js'
import { concatBytes, encodeUtf8 } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import { malformed } from './malformed.ts'
import { type Words, wordsToPaddedBytes } from './words.ts'

/** 64 bytes and the recovery id, in words. */
export const SIGNATURE_WORDS = 104

/** What an invoice's signature signs, hashed. */
export function signedHash(prefix: string, words: Words): Uint8Array {
  return sha256(concatBytes(encodeUtf8(prefix), wordsToPaddedBytes(words)))
}

/** Signs deterministically (RFC 6979), low-S; answers 64 bytes and the recovery id in a 65th. */
export function signInvoice(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const signed = secp256k1.sign(hash, privateKey, { prehash: false, lowS: true, format: 'recovered' })
  return concatBytes(signed.subarray(1), signed.subarray(0, 1))
}

/** The public key of a private one, 33 bytes. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return secp256k1.getPublicKey(privateKey, true)
}

/** Whether these are 32 bytes that can be a private key. */
export function isPrivateKey(bytes: Uint8Array): boolean {
  return secp256k1.utils.isValidSecretKey(bytes)
}

/**
 * The payee's key. BOLT 11: with an `n` field it must verify the signature, which then must be low-S; without one
 * the key is recovered, and a high-S signature is as good as a low-S one.
 */
export function payeeOf(
  hash: Uint8Array,
  { signature, recoveryId }: { signature: Uint8Array; recoveryId: number },
  named: Uint8Array | null,
): Uint8Array {
  if (recoveryId > 3) throw malformed('a recovery id from 0 to 3', `${recoveryId}`)
  if (named === null) {
    const recovered = recover(hash, concatBytes(Uint8Array.of(recoveryId), signature))
    if (recovered === undefined)
      throw malformed('a signature from which the payee can be recovered', 'another')
    return recovered
  }
  if (!verify(hash, signature, named)) {
    throw malformed('a low-S signature by the payee named in field n', 'another')
  }
  return named
}

function recover(hash: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  try {
    return secp256k1.recoverPublicKey(signature, hash, { prehash: false })
  } catch {
    return undefined
  }
}

function verify(hash: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean {
  try {
    return secp256k1.verify(signature, hash, key, { prehash: false, lowS: true, format: 'compact' })
  } catch {
    return false
  }
}
