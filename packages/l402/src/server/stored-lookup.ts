import { encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { StoredRootKeys } from '../stores/root-keys.ts'
import type { StoredLookup } from './verdict-cache.ts'

/** Most look-ups under way; whoever comes after them is told to come again. */
const MOST_RUNNING = 64
/** Identifiers known to have no root key, in each of two generations; about 1 MiB when full. */
const MOST_UNKNOWN = 4_096
/** Bytes of an identifier of version 0 (protocol §3); nothing else was ever sold. */
const IDENTIFIER_LENGTH = 66

/**
 * Look-ups in a database of somebody else's: a flood of macaroons that nobody sold must not become a flood of queries.
 * Those of one identifier share one query, what is not there is remembered, and only so many run at once.
 */
export function storedLookup(stored: StoredRootKeys): StoredLookup {
  const running = new Map<string, Promise<Uint8Array | undefined>>()
  let young = new Set<string>()
  let old = new Set<string>()

  async function look(hash: Uint8Array, name: string): Promise<Uint8Array | undefined> {
    try {
      const rootKey = await stored.rootKey(hash)
      if (rootKey === undefined) {
        if (young.size >= MOST_UNKNOWN) {
          old = young
          young = new Set()
        }
        young.add(name)
      }
      return rootKey
    } finally {
      running.delete(name)
    }
  }

  return async (identifier) => {
    if (identifier.length !== IDENTIFIER_LENGTH) return undefined
    const hash = sha256(identifier)
    const name = encodeHex(hash)
    if (young.has(name) || old.has(name)) return undefined
    const under = running.get(name)
    if (under !== undefined) return under
    if (running.size >= MOST_RUNNING)
      throw new L402Error('store_unavailable', 'too many stored root keys are being looked up')
    const found = look(hash, name)
    running.set(name, found)
    return found
  }
}
