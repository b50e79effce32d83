/**
 * The keys of a ledger by the names that the scripts call them. In `…Ends`, scores are the milliseconds since 1970 from
 * which on the member may be forgotten, its grace included.
 */
const NAMES = {
  /** Hash: `version`, `instance` (a random name; other books under the same keys have another). */
  meta: 'meta',
  /** Hash: owner → number of its last call, or `-`: dead, and what it held is being ended. */
  owners: 'owners',
  /** Hash: 32-byte key → decimal, what is used and reserved. */
  used: 'counters',
  /** Hash: token id → decimal, what was credited; whoever has a field here is an account. */
  credited: 'credited',
  /** Hash: token id → decimal, what was used beyond that. */
  lost: 'lost',
  /** Hash: key → how many reservations hold it, of counters that end and of accounts. */
  holds: 'holds',
  /** Sorted set: keys of counters and accounts. */
  counterEnds: 'counter-ends',
  /** Hash: payment hash → ms of the first reservation or credit, token id, service. */
  redemptions: 'redemptions',
  redemptionEnds: 'redemption-ends',
  /** Hash: `t` or `p` and 32 bytes → ms. */
  revoked: 'revoked',
  /** List of the same in hex, in the order they came. */
  revocations: 'revocations',
  /** Hash: key → times and counts, oldest first (scripts/windows.ts). */
  windows: 'windows',
  windowEnds: 'window-ends',
  /** Sorted set: mark → until when it is remembered. */
  marks: 'marks',
  /** Hash: key → `R` (running), `S` (being served) or `A` (answered), number, digest, until when (scripts/claims.ts). */
  claims: 'claims',
  claimEnds: 'claim-ends',
  /** Hash: key → what came of it. Apart from the claims, because it may be large. */
  answers: 'answers',
  /** Where version 1 kept all reservations. */
  formerReservations: 'reservations',
} as const

/**
 * The keys of a ledger, in the order in which the scripts expect them. The prefix is a hash tag, so that a cluster
 * keeps them all in one slot: a reservation spans counters, and must be atomic.
 */
export function ledgerKeys(prefix: string): readonly string[] {
  if (!/^[\w.:-]{1,64}$/.test(prefix))
    throw new RangeError('the prefix of the Redis store: expected 1 to 64 letters, digits or any of _ . : -')
  return Object.values(NAMES).map((name) => `{${prefix}}:${name}`)
}

/** Lua that gives the keys their names. */
export const NAME_KEYS: string = `local ${Object.keys(NAMES).join(', ')} = unpack(KEYS)`
/** How many they are. */
export const KEY_COUNT: number = Object.keys(NAMES).length

/**
 * Hash: number of a reservation (hex) → `R` (reserved) or `S` (serving) and its uses (scripts/counters.ts). One for each
 * owner, so that nobody has to look through those of all when one dies.
 */
export function reservationsKey(prefix: string, owner: string): string {
  return `{${prefix}}:reservations:${owner}`
}

/** Where a revocation is announced; the message says nothing, whoever hears it looks. */
export function announcements(prefix: string): string {
  return `{${prefix}}:announcements`
}
