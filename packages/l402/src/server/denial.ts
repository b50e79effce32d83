import type { Refusal } from '../core/refusal.ts'
import type { TopUp } from './challenger.ts'
import type { CachedCredential, Standing } from './verdict-cache.ts'

/** Why a request will not pass, and whose account a purchase would go to. */
export interface Denial {
  readonly refusal: Refusal
  /** The account to keep: possession of the used-up credential is the authority to top it up (protocol §5 rule 8). */
  readonly topUp: TopUp | null
}

/**
 * A valid credential's refusal says more than that of a broken one beside it, and the first one's more than a later one's.
 */
export function denied(
  before: Denial,
  refusal: Refusal,
  { verified }: CachedCredential,
  { summary }: Standing,
): Denial {
  const spent = refusal.reason === 'exhausted' || refusal.reason === 'expired'
  const narrowed = !summary.ok || summary.attenuated
  const topUp = before.topUp ?? (spent ? { tokenId: verified.identifier.tokenId, narrowed } : null)
  return { refusal: BROKEN.has(before.refusal.reason) ? refusal : before.refusal, topUp }
}

const BROKEN: ReadonlySet<string> = new Set([
  'missing',
  'malformed',
  'unknown_key',
  'bad_signature',
  'bad_preimage',
])
