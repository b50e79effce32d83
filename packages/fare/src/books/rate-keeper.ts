import { decodeHex } from '@turnpike/l402'
import type { PurchaseEvent, PurseStore } from '@turnpike/l402/client'
import { type FiatRate, hasRate, keepRate } from './fiat.ts'
import type { RatesConfig } from './rate-config.ts'

/** A payment that is found paid later than this has no rate of its time any more. */
const MOST_AGE_MS = 86_400_000

/** Writes the rate of their time to payments. */
export interface RateKeeper {
  /** To be told what a buyer does; several may share one keeper. */
  readonly onEvent: (event: PurchaseEvent) => void
  /** Waits for what is still being asked: a few seconds at most. */
  close(): Promise<void>
}

/**
 * Asks for the rate while a payment is made and keeps it as soon as it is known, so that a purchase that ends in a crash has
 * it too; one that is found paid later without a rate gets that of then. No purchase waits for any of it, and a source
 * that is down leaves the payment without a rate.
 */
export function rateKeeper(
  config: RatesConfig,
  { purse, env, now = Date.now }: { purse: PurseStore; env: NodeJS.ProcessEnv; now?: () => number },
): RateKeeper {
  const opened = async () => (await import('./rates.ts')).openRates(config, env)
  let rates: ReturnType<typeof opened> | undefined
  /** By payment hash. */
  const asking = new Map<string, Promise<unknown>>()
  const ask = async (): Promise<FiatRate | undefined> => {
    rates ??= opened()
    return await (await rates).now()
  }
  const keep = async (paymentHash: string): Promise<void> => {
    const rate = await ask()
    if (rate) await keepRate(purse, paymentHash, rate)
  }
  const keepLate = async (paymentHash: string): Promise<void> => {
    const hash = decodeHex(paymentHash)
    const payment = hash && (await purse.payment(hash))
    const isRecent = payment !== undefined && now() - payment.createdAtMs < MOST_AGE_MS
    if (isRecent && !(await hasRate(purse, paymentHash))) await keep(paymentHash)
  }
  const start = (paymentHash: string, work: (paymentHash: string) => Promise<void>): void => {
    // What fails leaves the payment without a rate, and nothing else.
    const one = work(paymentHash).catch(() => {})
    asking.set(paymentHash, one)
    void one.then(() => asking.get(paymentHash) === one && asking.delete(paymentHash))
  }
  return {
    onEvent(event) {
      if (event.type === 'paying') start(event.paymentHash, keep)
      else if (event.type === 'paid' || event.type === 'paid_unproven') {
        if (!asking.has(event.paymentHash)) start(event.paymentHash, keepLate)
      }
    },
    async close() {
      await Promise.all(asking.values())
      await rates?.then(({ close }) => close()).catch(() => {})
    },
  }
}
