/** Ctrl-C, and what a supervisor sends: they end the exchange, never a payment under way (rule C3). */

import type { PurchaseEvent } from '@turnpike/l402/client'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** One run that may be told to end. */
export interface Interruption {
  /** Ends the exchange, and the waiting for others. */
  readonly signal: AbortSignal
  /** To be told what happens: a payment under way changes what a signal means. */
  watch(event: PurchaseEvent): void
  /** From here on signals do what they always do. */
  end(): void
}

/**
 * Listens for signals. The first one aborts; `underWay` is called where a payment goes on all the same. The second one
 * ends the process at once, by `left` where that leaves a payment open.
 */
export function interruption(tell: { underWay(): void; left(): void }): Interruption {
  const over = new AbortController()
  const open = new Set<string>()
  const heard = (signal: NodeJS.Signals): void => {
    if (over.signal.aborted) {
      if (open.size > 0) tell.left()
      else endBy(signal)
      return
    }
    latest = signal
    over.abort(new Error('interrupted'))
    if (open.size > 0) tell.underWay()
  }
  const end = (): void => {
    for (const signal of SIGNALS) process.off(signal, heard)
  }
  for (const signal of SIGNALS) process.on(signal, heard)
  return {
    signal: over.signal,
    watch(event) {
      if (event.type === 'paying') open.add(event.paymentHash)
      else if (/^(paid|paid_unproven|payment_failed|payment_unknown)$/.test(event.type))
        open.delete('paymentHash' in event ? event.paymentHash : '')
    },
    end,
  }
}

let latest: NodeJS.Signals | undefined

/** The signal that this process was told to end by, if it was. */
export function interruptedBy(): NodeJS.Signals | undefined {
  return latest
}

/** Ends this process as the signal would have: a shell's loop ends with it. */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
