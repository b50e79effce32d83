/** The events that a session puts into a stream (draft-lightning-session-00, Streaming and Receipt). */

import { encodeUtf8 } from '../../../../core/bytes.ts'
import type { StreamSession } from '../../../gate.ts'

/** What is said when the balance does not cover the next event. */
export interface Shortage {
  /** Spent from the session in all, in msat. */
  readonly spentMsat: bigint
  /** What the next event costs, in msat. */
  readonly requiredMsat: bigint
}

/** Asks for a top-up; the stream waits for it. */
export function needTopUp(session: Pick<StreamSession, 'id'>, shortage: Shortage): Uint8Array {
  return eventOf('payment-need-topup', shortageOf(session, shortage))
}

/** None came, and the stream ends here. */
export function timedOut(session: Pick<StreamSession, 'id'>, shortage: Shortage): Uint8Array {
  return eventOf('session-timeout', shortageOf(session, shortage))
}

/** What the stream has come to, when it is whole. `units`: events that went out. */
export function receiptEvent(
  { id }: Pick<StreamSession, 'id'>,
  { spentMsat, units, nowMs }: { readonly spentMsat: bigint; readonly units: number; readonly nowMs: number },
): Uint8Array {
  return eventOf('payment-receipt', {
    method: 'lightning',
    reference: id,
    status: 'success',
    timestamp: new Date(nowMs).toISOString(),
    spent: sats(spentMsat),
    units,
  })
}

/** A comment, which no client sees: it keeps proxies from taking the connection for dead. */
export const STILL_HERE: Uint8Array = encodeUtf8(':\n\n')

function shortageOf({ id }: Pick<StreamSession, 'id'>, { spentMsat, requiredMsat }: Shortage): object {
  return { sessionId: id, balanceSpent: sats(spentMsat), balanceRequired: sats(requiredMsat) }
}

function eventOf(name: string, data: object): Uint8Array {
  return encodeUtf8(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}

/** Whole satoshis, rounded up. */
function sats(msat: bigint): number {
  return Number((msat + 999n) / 1000n)
}
