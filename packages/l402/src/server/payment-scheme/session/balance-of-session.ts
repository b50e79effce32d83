import { formatCredential } from '../../../core/credential.ts'
import type { HeaderLines } from '../../../core/header-lines.ts'
import type { Refusal } from '../../../core/refusal.ts'
import type { SessionStanding } from '../../gate.ts'
import type { PresentedSession } from '../present.ts'
import { ownSession } from './decide-session.ts'
import type { Sessions } from './desk.ts'

/** The L402 credential whose balance is a session's, and how the session stands. Throws `store_unavailable`. */
export async function sessionBalance(
  presented: PresentedSession,
  sessions: Sessions,
): Promise<{ readonly headers: HeaderLines; readonly standing: SessionStanding } | Refusal> {
  const own = await ownSession(presented, sessions, 'closed too')
  if ('problem' in own) return own.refusal
  const closing = await sessions.closing(own)
  const { state } = await sessions.find(own.sessionId)
  const refund =
    closing === undefined ? {} : { refundSats: closing.refundSats, refundStatus: closing.refundStatus }
  return {
    headers: ['Authorization', formatCredential(own.macaroon, presented.action.preimage)],
    standing: { status: state === 'open' ? 'open' : 'closed', ...refund },
  }
}
