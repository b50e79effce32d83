import type { Refusal } from '../core/refusal.ts'
import type { TopUp } from './challenger.ts'
import type { Refused } from './gate.ts'
import type { CachedCredential, Standing } from './verdict-cache.ts'

/** Why a request will not pass, and whose account a purchase would go to. */
export interface Denial {
  readonly refusal: Refusal
  /** The account to keep: possession of the used-up credential is the authority to top it up (protocol §5 rule 8). */
  readonly topUp: TopUp | null
  /**
   * The answer in place of a challenge where a credential is good and only has to wait: over its rate, or the node cannot be
   * asked. Whoever holds it is sold nothing again.
   */
  readonly later?: Refused
}

/** A credential that did not pass. */
export interface Denied {
  readonly cached: CachedCredential
  readonly standing: Standing
  /** Whether it was sold for what is asked for, used up or over as it may be; asked only of one that is. */
  readonly fits: () => boolean
}

/**
 * A valid credential's refusal says more than that of a broken one beside it, and the first one's more than a later one's.
 */
export function denied(before: Denial, refusal: Refusal, { cached, standing, fits }: Denied): Denial {
  const { summary } = standing
  const spent = refusal.reason === 'exhausted' || refusal.reason === 'expired'
  // What another route sells goes on an account of its own: a sat may buy more there (rule 7).
  const topUp =
    before.topUp ??
    (spent && summary.ok && fits()
      ? { tokenId: cached.verified.identifier.tokenId, narrowed: summary.attenuated }
      : null)
  return { ...before, refusal: BROKEN.has(before.refusal.reason) ? refusal : before.refusal, topUp }
}

/** A credential that could not pass now; the others are still to be tried. The first such answer stands. */
export function deferred(before: Denial, later: Refused): Denial {
  return { ...before, later: before.later ?? later }
}

const BROKEN: ReadonlySet<string> = new Set([
  'missing',
  'malformed',
  'unknown_key',
  'bad_signature',
  'bad_preimage',
])
