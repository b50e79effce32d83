/** How much the node could still receive: asked in the background, never on a request's way. */

import { formatAmount } from '@turnpike/l402'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { describeError } from '../log.ts'
import type { Metrics } from './metrics.ts'

/** What {@link watchReceivable} works with. */
export interface ReceivableOptions {
  readonly backend: Pick<InvoiceBackend, 'receivableMsat'>
  /** The configuration in force. */
  readonly config: () => Pick<Config, 'services'>
  readonly metrics: Pick<Metrics, 'add'>
  readonly log: Pick<Logger, 'warn'>
  /** Milliseconds between two questions; 60,000 if left out. */
  readonly everyMs?: number
}

/** The watch over what can be received. */
export interface Receivable {
  /** One sentence where it is less than the dearest fixed price; `undefined` where it is enough, or not known. */
  warning(): string | undefined
  close(): void
}

/**
 * Begins to ask. The gauge `turnpike_lightning_receivable_msat` is there with backends that may say; it is NaN while they do
 * not.
 */
export function watchReceivable(options: ReceivableOptions): Receivable {
  const { backend, config, metrics, log, everyMs = 60_000 } = options
  if (backend.receivableMsat === undefined) return { warning: () => undefined, close() {} }
  let known: bigint | null = null
  let asking = false
  // Each is told once, until it is over.
  let [warned, failed] = [false, false]

  const warning = (): string | undefined => {
    const dearest = dearestMsat(config())
    return known === null || known >= dearest
      ? undefined
      : `the node can receive ${formatAmount(known)}, less than the dearest price of ${formatAmount(dearest)}`
  }
  const ask = async (): Promise<void> => {
    // One that hangs is not asked again beside it.
    if (asking) return
    asking = true
    try {
      known = (await backend.receivableMsat?.()) ?? null
      failed = false
    } catch (error) {
      known = null
      if (!failed)
        log.warn({ fault: describeError(error) }, 'what the node can receive is not known right now')
      failed = true
    } finally {
      asking = false
    }
    const text = warning()
    if (text !== undefined && !warned) log.warn(text)
    warned = text !== undefined
  }
  metrics.add(
    'gauge',
    {
      name: 'turnpike_lightning_receivable_msat',
      help: 'What the node can receive, in millisatoshi; NaN while it does not say.',
    },
    () => (known === null ? Number.NaN : Number(known)),
  )
  const timer = setInterval(() => void ask(), everyMs).unref()
  void ask()
  return { warning, close: () => clearInterval(timer) }
}

function dearestMsat({ services }: Pick<Config, 'services'>): bigint {
  const prices = services.flatMap(({ routes }) => routes.map(({ priceMsat }) => priceMsat))
  return prices.reduce((dearest, price) => (price > dearest ? price : dearest), 0n)
}
