import { hkdfExpand, hkdfExtract } from '../core/hash.ts'

/** A master key: root keys are derived from it, nothing is stored per challenge (protocol §4). */
export interface MasterKey {
  /** Name for logs and tables; never the key itself. */
  readonly id: string
  /** At least 32 bytes from a file, an environment variable or a secret manager. */
  readonly masterKey: Uint8Array
  /** A retired key opens nothing any more. */
  readonly active: boolean
}

/** The active master keys, ready to derive root keys. */
export interface KeyRing {
  /** The root key for a new macaroon: from the newest active master key. 32 bytes. */
  mintingKey(identifier: Uint8Array): Uint8Array
  /** The root keys an existing macaroon may have been made with, newest master key first. */
  candidates(identifier: Uint8Array): Iterable<Uint8Array>
}

/** Root key of an identifier: HKDF-SHA256 with the master key, no salt, the identifier as info; 32 bytes (protocol §4). */
export function deriveRootKey(masterKey: Uint8Array, identifier: Uint8Array): Uint8Array {
  return hkdfExpand(hkdfExtract(masterKey), identifier)
}

/**
 * Builds a key ring. The last active key in the list is the newest and mints; all active ones verify, so that keys can
 * be rotated without losing what was sold.
 *
 * @throws RangeError without an active key, for a key under 32 bytes, or for a repeated id.
 */
export function keyRing(keys: readonly MasterKey[]): KeyRing {
  const seen = new Set<string>()
  const pseudorandomKeys: Uint8Array[] = []
  for (const { id, masterKey, active } of keys) {
    if (seen.has(id)) throw new RangeError(`invalid master keys: expected one key per id, got "${id}" twice`)
    seen.add(id)
    if (masterKey.length < 32)
      throw new RangeError(`invalid master key "${id}": expected at least 32 bytes, got ${masterKey.length}`)
    // The extract step depends on the master key alone: done once here, not on every request.
    if (active) pseudorandomKeys.unshift(hkdfExtract(masterKey))
  }
  const [newest] = pseudorandomKeys
  if (newest === undefined)
    throw new RangeError('invalid master keys: expected at least one active key, got none')
  return {
    mintingKey: (identifier) => hkdfExpand(newest, identifier),
    *candidates(identifier) {
      for (const key of pseudorandomKeys) yield hkdfExpand(key, identifier)
    },
  }
}
