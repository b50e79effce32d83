import type { PurchaseEvent, PurseStore } from '@turnpike/l402/client'
import { type FiatRate, keepRate } from './fiat.ts'
import type { RatesConfig } from './rate-config.ts'

/** Writes the rate of their time to payments. */
export interface RateKeeper {
  /** To be told what the buyer does. */
  readonly onEvent: (event: PurchaseEvent) => void
  /** Waits for what is still being asked: a few seconds at most. */
  close(): Promise<void>
}

/**
 * Asks for the rate while a payment is made and keeps it once it is paid. The purchase waits for none of it, and a source
 * that is down leaves the payment without a rate.
 */
export function rateKeeper(
  config: RatesConfig,
  { purse, env }: { readonly purse: PurseStore; readonly env: NodeJS.ProcessEnv },
): RateKeeper {
  const opened = async () => (await import('./rates.ts')).openRates(config, env)
  let rates: ReturnType<typeof opened> | undefined
  const asked = new Map<string, Promise<FiatRate | undefined>>()
  const kept: Promise<unknown>[] = []
  const ask = async (): Promise<FiatRate | undefined> => {
    rates ??= opened()
    return await (await rates).now()
  }
  return {
    onEvent(event) {
      if (event.type === 'paying')
        asked.set(
          event.paymentHash,
          ask().catch(() => undefined),
        )
      const rate =
        event.type === 'paid' || event.type === 'paid_unproven' || event.type === 'payment_unknown'
          ? asked.get(event.paymentHash)
          : undefined
      if (rate && 'paymentHash' in event)
        kept.push(rate.then((known) => known && keepRate(purse, event.paymentHash, known)).catch(() => {}))
    },
    async close() {
      await Promise.all(kept)
      await rates?.then(({ close }) => close()).catch(() => {})
    },
  }
}
