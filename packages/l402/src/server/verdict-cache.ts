import type { ServicePolicy, Summary } from '../core/clear.ts'
import { summariseCaveats } from '../core/clear.ts'
import { parseCredentials } from '../core/credential.ts'
import { sha256Text } from '../core/hash.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import { passEntitlement } from './entitlement.ts'
import type { Pass } from './gate.ts'
import type { KeyRing } from './keys.ts'
import { type VerifiedCredential, verifyCredential, verifyStored } from './verify.ts'

/** What a verified credential comes to for one service. */
export interface Standing {
  readonly summary: Summary | Refusal
  /** The pass of a credential that counts nothing, made once. */
  readonly timePass: Pass
  /** Whether the sale has been told of (see `SalesWatcher`), or nobody wants to hear of it. */
  told: boolean
}

/** One verified credential and its standing with each service. */
export interface CachedCredential {
  readonly verified: VerifiedCredential
  /** Filled as services are asked for. Holds no entitlement: what is left is always the ledger's answer. */
  readonly standings: Map<string, Standing>
}

/** What a request's credential text comes to: those that verify, and why the best of the others does not. */
export interface Verdict {
  readonly credentials: readonly CachedCredential[]
  readonly refusal: Refusal | null
}

/** Verified credentials by a hash of their text. */
export interface VerdictCache {
  /** The verdict over the credential text of these headers. */
  judge(text: string, headers: HeaderLines): Verdict
  /**
   * The verdict by root keys that are stored; for credentials that {@link judge} found to be nobody's. Throws
   * `store_unavailable`.
   */
  judgeStored(text: string, headers: HeaderLines, stored: StoredLookup): Promise<Verdict>
  readonly size: number
  /** How many verdicts were found here, and how many had to be made. */
  readonly lookups: { readonly hits: number; readonly misses: number }
}

/** The credential's standing with a service; its caveats are read once. */
export function standingWith(cached: CachedCredential, policy: ServicePolicy): Standing {
  let standing = cached.standings.get(policy.service)
  if (standing === undefined) {
    const summary = summariseCaveats(cached.verified.caveats, policy)
    const expiresAt = summary.ok ? summary.expiresAt : null
    const entitlement = passEntitlement(cached.verified, policy.service, { expiresAt })
    standing = {
      summary,
      timePass: { outcome: 'pass', entitlement },
      told: false,
    }
    cached.standings.set(policy.service, standing)
  }
  return standing
}

/**
 * A bounded cache in two generations: a hit in the old one moves to the young one, a full young one becomes the old one.
 * So at most `capacity` verdicts are held, those in use stay, and a hit costs one hash and one look-up. Keyed by a hash,
 * so that no credential lies in memory as a key. Only verdicts with a valid credential are kept: nobody can fill it
 * without paying. Whoever has paid once can append caveats without end, so a large verdict counts for several. Expiry,
 * revocation and counters are asked on every request and never cached.
 */
export function verdictCache(keys: KeyRing, capacity: number): VerdictCache {
  if (!Number.isSafeInteger(capacity) || capacity < 2)
    throw new RangeError(
      `invalid verdict cache capacity: expected a whole number of at least 2, got ${capacity}`,
    )
  const half = Math.ceil(capacity / 2)
  let young = new Map<string, Verdict>()
  let old = new Map<string, Verdict>()
  let youngWeight = 0
  const lookups = { hits: 0, misses: 0 }

  function keep(key: string, verdict: Verdict): void {
    const weight = weightOf(verdict)
    if (weight > half) return
    if (youngWeight + weight > half) {
      old = young
      young = new Map()
      youngWeight = 0
    }
    young.set(key, verdict)
    youngWeight += weight
  }

  return {
    lookups,
    judge(text, headers) {
      const key = sha256Text(text)
      const hit = young.get(key)
      if (hit !== undefined) {
        lookups.hits++
        return hit
      }
      const aged = old.get(key)
      if (aged !== undefined) {
        old.delete(key)
        keep(key, aged)
        lookups.hits++
        return aged
      }
      lookups.misses++
      const verdict = judgeHeaders(headers, keys)
      if (verdict.credentials.length > 0) keep(key, verdict)
      return verdict
    },
    async judgeStored(text, headers, stored) {
      const verdict = await judgeByStored(headers, stored)
      if (verdict.credentials.length > 0) keep(sha256Text(text), verdict)
      return verdict
    },
    get size() {
      return young.size + old.size
    },
  }
}

/** Parts of a verdict that count for one place in the cache: no more than 6 KB or so. */
const PARTS = 16
const COMMA = 0x2c

/** How many places a verdict takes: by its caveats, their list items and their bytes, which its memory grows with. */
function weightOf({ credentials }: Verdict): number {
  let weight = 0
  for (const { verified } of credentials) {
    let parts = 0
    for (const { caveat } of verified.caveats) {
      parts += 1 + caveat.id.length / 64
      for (const byte of caveat.id) if (byte === COMMA) parts++
    }
    weight += Math.max(1, Math.ceil(parts / PARTS))
  }
  return weight
}

/** Finds the root key that is stored for an identifier. */
export type StoredLookup = (identifier: Uint8Array) => Promise<Uint8Array | undefined>

async function judgeByStored(headers: HeaderLines, stored: StoredLookup): Promise<Verdict> {
  const parsed = parseCredentials(headers)
  if (!parsed.ok) return { credentials: [], refusal: parsed }
  const credentials: CachedCredential[] = []
  let refusal: Refusal | null = null
  for (const credential of parsed.credentials) {
    const rootKey = await stored(credential.macaroon.identifier)
    const verified =
      rootKey === undefined
        ? refuse('unknown_key', 'no root key is kept here for this macaroon')
        : verifyStored(credential, rootKey)
    if (verified.ok) credentials.push({ verified, standings: new Map() })
    else refusal ??= verified
  }
  return { credentials, refusal }
}

/** The verdict over a request's credentials, from scratch. */
export function judgeHeaders(headers: HeaderLines, keys: KeyRing): Verdict {
  const parsed = parseCredentials(headers)
  if (!parsed.ok) return { credentials: [], refusal: parsed }
  const credentials: CachedCredential[] = []
  let refusal: Refusal | null = null
  // V2, V5: any valid one of several is enough.
  for (const credential of parsed.credentials) {
    const verified = verifyCredential(credential, keys)
    if (verified.ok) credentials.push({ verified, standings: new Map() })
    else refusal ??= verified
  }
  return { credentials, refusal }
}
