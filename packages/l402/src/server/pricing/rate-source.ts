import { type Decimal, parseDecimal } from './fiat.ts'

/**
 * Where a rate stands: a URL that answers with JSON, and the field in it that says what one bitcoin costs. In both, `{CUR}` is
 * the currency and `{cur}` the same in lower case.
 */
export interface RateSource {
  readonly url: string
  /** Keys with dots between them; a number is a place in a list, `*` the only key there is. */
  readonly field: string
}

/** Public price APIs by name, by the JSON that they document. None needs a key. */
export const RATE_PRESETS: ReadonlyMap<string, RateSource> = new Map([
  ['coinbase', { url: 'https://api.coinbase.com/v2/prices/BTC-{CUR}/spot', field: 'data.amount' }],
  ['kraken', { url: 'https://api.kraken.com/0/public/Ticker?pair=XBT{CUR}', field: 'result.*.c.0' }],
  ['bitstamp', { url: 'https://www.bitstamp.net/api/v2/ticker/btc{cur}/', field: 'last' }],
  ['mempool', { url: 'https://mempool.space/api/v1/prices', field: '{CUR}' }],
])

/** Puts a currency into a source's URL or field. */
export function forCurrency(text: string, currency: string): string {
  return text.replaceAll('{CUR}', currency).replaceAll('{cur}', currency.toLowerCase())
}

/** The rate in a source's answer; `undefined` where the field is not there, or holds no number above 0. */
export function readRate(json: unknown, field: string): Decimal | undefined {
  let value = json
  for (const step of field.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    const keys = Object.keys(value)
    const key = step === '*' && keys.length === 1 ? keys[0] : step
    if (key === undefined || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  if (typeof value === 'string') return parseDecimal(value.trim())
  return typeof value === 'number' ? parseDecimal(String(value)) : undefined
}
