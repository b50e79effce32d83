/** Strict mode: a credential is honoured once the node itself calls its invoice settled (protocol §2). */

import { isL402Error } from '../core/errors.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import type { InvoiceBackend } from '../lightning/backend.ts'
import type { NodeGuard } from './limits/node-guard.ts'
import type { VerifiedCredential } from './verify.ts'
import { withDeadline } from './with-deadline.ts'

/** Payment hashes known to be settled, in each of two generations; about 4 MiB when full. */
const MOST_SETTLED = 16_384

/**
 * Whether the node calls a credential's invoice settled: `undefined` if so, else why not; `unavailable` where the node
 * cannot be asked.
 */
type SettledAnswer = Refusal | 'unavailable' | undefined

/** Asks the node about payments. */
export interface SettledCheck {
  /** Whether the node has called it settled before. What is settled stays so. */
  known(credential: VerifiedCredential): boolean
  /** Asks the node, once for all who ask meanwhile. Never rejects for what a node does. */
  ask(credential: VerifiedCredential): Promise<SettledAnswer>
}

const UNSETTLED = refuse(
  'unsettled',
  "the seller's node does not call the invoice of this credential settled: send the request again once it is",
)

/** See {@link SettledCheck}. `deadlineMs` is how long the node may take to answer. */
function settledCheck(node: Pick<NodeGuard, 'lookupInvoice'>, deadlineMs: number): SettledCheck {
  const running = new Map<string, Promise<SettledAnswer>>()
  let young = new Set<string>()
  let old = new Set<string>()

  function remember(paymentHash: string): void {
    if (young.size >= MOST_SETTLED) {
      old = young
      young = new Set()
    }
    young.add(paymentHash)
  }

  function known({ paymentHash }: VerifiedCredential): boolean {
    if (young.has(paymentHash)) return true
    if (!old.delete(paymentHash)) return false
    remember(paymentHash)
    return true
  }

  async function look({ identifier, paymentHash }: VerifiedCredential): Promise<SettledAnswer> {
    try {
      const state = await withDeadline(deadlineMs, (signal) =>
        node.lookupInvoice(identifier.paymentHash, signal),
      )
      if (state !== 'settled') return UNSETTLED
      remember(paymentHash)
      return undefined
    } catch (error) {
      if (isL402Error(error, 'lightning_unavailable') || isL402Error(error, 'lightning_invalid'))
        return 'unavailable'
      throw error
    } finally {
      running.delete(paymentHash)
    }
  }

  return {
    known,
    ask(credential) {
      const { paymentHash } = credential
      const under = running.get(paymentHash)
      if (under !== undefined) return under
      const asked = look(credential)
      running.set(paymentHash, asked)
      return asked
    },
  }
}

/**
 * The check of a gate over this backend.
 *
 * @throws RangeError for a backend that looks no invoices up.
 */
export function strictCheck(lightning: InvoiceBackend, node: NodeGuard, deadlineMs: number): SettledCheck {
  if (lightning.invoiceCapabilities.looksUp) return settledCheck(node, deadlineMs)
  throw new RangeError('invalid strict: expected a Lightning backend that can look invoices up')
}
