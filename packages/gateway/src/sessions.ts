/** From a configuration to its session desk, with the wallet that pays back. */

import type { Network, PaymentBackend } from '@turnpike/l402/lightning'
import { findKind } from '@turnpike/l402/lightning/kinds'
import { type SessionClosed, type Sessions, sessions } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import { ConfigError } from './config/issue.ts'
import type { Ledger } from './metrics/watched.ts'

/** What a desk is opened with. */
interface SessionParts {
  readonly ledger: Ledger
  readonly network: Network
  readonly log: Logger
}

/** A desk and its wallet. */
export interface OpenSessions {
  readonly sessions: Sessions
  close(): Promise<void>
}

/** Opens them; `undefined` where there are no sessions. Throws like the wallet, and `ConfigError` for one that will not do. */
export async function openSessions(
  { file, sessions: config, paymentScheme }: Config,
  { ledger, network, log }: SessionParts,
): Promise<OpenSessions | undefined> {
  if (config === undefined || paymentScheme === 'off') return undefined
  const { refunds, ...terms } = config
  let wallet: PaymentBackend | undefined
  try {
    wallet =
      refunds === undefined
        ? undefined
        : await findKind(refunds.backend, 'pay')?.openWallet?.(refunds.settings, { network })
    const desk = sessions({
      store: ledger,
      network,
      ...terms,
      ...(wallet === undefined ? {} : { wallet }),
      onClosed: (closed) => tell(log, closed),
    })
    return {
      sessions: desk,
      async close() {
        await desk.stop()
        await wallet?.close()
      },
    }
  } catch (error) {
    await wallet?.close()
    // A setting that only the wallet itself can judge.
    if (refunds !== undefined && (error instanceof TypeError || error instanceof RangeError))
      throw new ConfigError(file, [
        { position: refunds.position, message: `sessions.refunds: ${error.message}` },
      ])
    throw error
  }
}

/** A refund that failed, or of which nobody knows, is for somebody to look at. */
function tell(log: Logger, { refundStatus, ...closed }: SessionClosed): void {
  const facts = { ...closed, refundStatus }
  if (refundStatus === 'failed')
    log.warn(facts, 'session closed: the refund failed, and is on the balance again')
  else if (refundStatus === 'pending')
    log.warn(facts, 'session closed: it is not known yet whether the refund was paid')
  else log.info(facts, 'session closed')
}
