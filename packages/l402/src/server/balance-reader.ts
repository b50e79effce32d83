/** The gate's answer to `GET /.well-known/l402/balance`. */

import { credentialText } from '../core/credential.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Refusal, refuse } from '../core/refusal.ts'
import { noBalance } from './answers.ts'
import { type BalanceSources, balanceOf } from './balance.ts'
import type { Gate, GateRequest, Refused, SessionStanding } from './gate.ts'
import type { PaymentScheme } from './payment-scheme/scheme.ts'
import { sessionBalance } from './payment-scheme/session/balance-of-session.ts'
import type { CachedCredential } from './verdict-cache.ts'

/** What the gate does itself. */
interface OfTheGate extends Omit<BalanceSources, 'nowSeconds'> {
  /** The first credential that verifies; throws `store_unavailable`. */
  verify(headers: HeaderLines): Promise<CachedCredential | Refusal>
  /** Strict mode: why its payment cannot be taken for settled. */
  unsettled(
    cached: CachedCredential,
    request: Pick<GateRequest, 'headers'>,
  ): Promise<Refused | Refusal | undefined>
  booksDown(request: Pick<GateRequest, 'headers'>, error: unknown): Refused
  readonly now: () => number
}

const MISSING = refuse('missing', 'expected a credential whose balance is asked for')

/** See {@link Gate.balance}. */
export function balanceReader(payment: PaymentScheme | undefined, gate: OfTheGate): Gate['balance'] {
  const { verify, unsettled, booksDown, ledger, policies, now } = gate
  return async (asked, { base = '' } = {}) => {
    const opened = payment?.open({ headers: asked, base }) ?? { state: 'none' }
    if (opened.state === 'refused' && credentialText(asked) === undefined) return noBalance(opened.refusal)
    let headers = opened.state === 'unwrapped' ? opened.headers : asked
    let session: SessionStanding | undefined
    try {
      if (opened.state === 'session' && payment?.sessions !== undefined) {
        const found = await sessionBalance(opened, payment.sessions)
        if ('reason' in found) return noBalance(found)
        headers = found.headers
        session = found.standing
      }
      if (credentialText(headers) === undefined) return noBalance(MISSING)
      const cached = await verify(headers)
      if ('reason' in cached) return noBalance(cached)
      const why = await unsettled(cached, { headers })
      if (why !== undefined) return 'outcome' in why ? why : noBalance(why)
      const balance = await balanceOf(cached, { ledger, policies, nowSeconds: now() / 1000 })
      return session === undefined ? balance : { ...balance, session }
    } catch (error) {
      return booksDown({ headers }, error)
    }
  }
}
