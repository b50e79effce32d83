/**
 * The keys of a ledger, in the order in which the scripts expect them. The prefix is a hash tag, so that a cluster
 * keeps them all in one slot: a reservation spans counters, and must be atomic.
 */
export function ledgerKeys(prefix: string): readonly string[] {
  if (!/^[\w.:-]{1,64}$/.test(prefix))
    throw new RangeError('the prefix of the Redis store: expected 1 to 64 letters, digits or any of _ . : -')
  return NAMES.map((name) => `{${prefix}}:${name}`)
}

/** Where a revocation is announced; the message says nothing, whoever hears it looks. */
export function announcements(prefix: string): string {
  return `{${prefix}}:announcements`
}

const NAMES = [
  /** Hash: `version`, `instance` (a random name; other books under the same keys have another). */
  'meta',
  /** Hash: owner → number of its last call. */
  'owners',
  /** Hash: 32-byte key → decimal, what is used and reserved. */
  'counters',
  /** Hash: owner and number (hex) → `R` (reserved) or `S` (serving), then key and amount of each use. */
  'reservations',
  /** Hash: payment hash → ms of the first reservation, token id, service. */
  'redemptions',
  /** Hash: `t` or `p` and 32 bytes → ms. */
  'revoked',
  /** List of the same in hex, in the order they came. */
  'revocations',
] as const
