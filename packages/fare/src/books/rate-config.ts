/** The table `rates` of `config.yaml`: where the books learn what a bitcoin costs. */

/** Who says it, and in which currency. */
export interface RatesConfig {
  /** ISO 4217, e.g. `USD`. */
  readonly currency: string
  /** The name of a public price API, or a URL. */
  readonly source?: string
  /** Where the rate stands in the JSON of a URL: keys with dots between them. */
  readonly field?: string
  /** Absolute path of a program that writes the rate to its standard output. */
  readonly exec?: string
}

const KEYS = ['currency', 'source', 'field', 'exec']
/** The names that the library knows, repeated here so that none of it is loaded for a plain `get`. */
const NAMES = ['coinbase', 'kraken', 'bitstamp', 'mempool']

/** Reads the table; `undefined` without one. */
export function readRates(value: unknown, fail: (what: string) => never): RatesConfig | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('rates: expected a table such as { currency: USD, source: coinbase }')
  for (const [key, one] of Object.entries(value)) {
    if (!KEYS.includes(key)) fail(`rates: unknown key "${key}", expected ${KEYS.join(', ')}`)
    if (typeof one !== 'string' || one === '') fail(`rates.${key}: expected a text`)
  }
  const rates = value as RatesConfig
  const { currency, source, field, exec } = rates
  if (!/^[A-Z]{3}$/.test(currency ?? '')) fail('rates.currency: expected three capitals such as USD')
  if ((source === undefined) === (exec === undefined))
    fail('rates: expected one of "source" (a price API) and "exec" (the absolute path of a program)')
  if (exec !== undefined && !/^(\/|[A-Za-z]:[\\/])/.test(exec))
    fail('rates.exec: expected the absolute path of a program')
  if (source !== undefined && !NAMES.includes(source)) {
    if (!/^https?:\/\//.test(source) || !URL.canParse(source))
      fail(`rates.source: expected ${NAMES.join(', ')} or a URL`)
    if (field === undefined)
      fail('rates.field: expected where the rate stands in the JSON of the URL, e.g. data.amount')
  } else if (field !== undefined) fail('rates.field: expected only beside a "source" that is a URL')
  return rates
}
