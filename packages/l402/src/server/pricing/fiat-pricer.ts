import { fiatToMsat, parseFiat } from './fiat.ts'
import { noPrice, type Pricer } from './pricer.ts'
import type { RateBook } from './rate-book.ts'

/** What {@link fiatPricer} takes. */
export interface FiatPricerOptions {
  readonly rates: Pick<RateBook, 'rateOf'>
  readonly mostMsat?: bigint | undefined
}

/**
 * A price in fiat money, such as `$0.02`, at the rate of the moment. What an invoice asks for stands for the invoice's life.
 * It is the same for every request of the route at that moment, so what was bought opens the whole route.
 *
 * @throws {L402Error} `malformed`
 */
export function fiatPricer(text: string, { rates, mostMsat }: FiatPricerOptions): Pricer {
  const { currency, amount } = parseFiat(text)
  return {
    kind: 'fiat',
    text,
    binds: 'route',
    readsBody: false,
    timeoutMs: 0,
    mostMsat,
    price() {
      const rate = rates.rateOf(currency)
      if (rate === undefined) return noPrice('stale', `no rate for ${currency} that is young enough`)
      return { state: 'priced', amountMsat: fiatToMsat(amount, rate.perBtc) }
    },
  }
}
