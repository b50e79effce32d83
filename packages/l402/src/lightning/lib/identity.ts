/** Who a wallet is, so that another one under its name is not taken for it. */

import { sha256Text } from '../../core/hash.ts'

/** Answers {@link import('../backend.ts').PaymentBackend.identities}. */
export type Identities = () => Promise<readonly string[]>

/**
 * Identities of a wallet: what `own` finds (a node's public key, the id of an account), then a digest of `where`. An `own` that
 * finds nothing, or fails, is left out.
 */
export function identitiesOf(where: string, own?: () => Promise<unknown>): Identities {
  return async () => {
    const found = await own?.().catch(() => undefined)
    const plain = typeof found === 'string' && /^[\w.:-]{8,128}$/.test(found) ? [`own:${found}`] : []
    return [...plain, `at:${sha256Text(where)}`]
  }
}
