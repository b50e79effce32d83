/** What a bitcoin costs, asked for in the background and kept for as long as it may be believed. */

import { unref } from '../unref.ts'
import { compareDecimals, type Decimal } from './fiat.ts'
import { forCurrency, type RateSource, readRate } from './rate-source.ts'

/** What {@link rateBook} takes. */
export interface RateBookOptions {
  /** Asked all of them; what counts is the median of their answers, the lower of two in the middle. */
  readonly sources: readonly RateSource[]
  readonly currencies: readonly string[]
  /** Milliseconds between two questions. */
  readonly refreshMs: number
  /** Milliseconds for which a rate may be used; then there is none until a source answers again. */
  readonly maxAgeMs: number
  /** Milliseconds that a source may take. */
  readonly timeoutMs: number
  /** Answers what a URL says in JSON; throws where it cannot be had. */
  readonly fetchJson: (url: string, signal: AbortSignal) => Promise<unknown>
  /** Told why a source gave no rate; must not throw. */
  readonly onFault?: (source: string, detail: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** A rate and when it was read. */
export interface Rate {
  /** Units of the currency for one bitcoin. */
  readonly perBtc: Decimal
  /** Milliseconds since 1970. */
  readonly readAt: number
}

/** Rates by currency. */
export interface RateBook {
  /** `undefined`: none that is young enough. */
  rateOf(currency: string): Rate | undefined
  /** Asks all sources now. Never rejects. */
  refresh(): Promise<void>
  /** Asks in the background from now on. */
  start(): void
  close(): void
}

/** Nobody has ever paid less for a bitcoin than a hundredth of anything, or more than this. */
const LEAST: Decimal = { units: 1n, scale: 2 }
const MOST: Decimal = { units: 1_000_000_000_000n, scale: 0 }
/** A rate that is so many times another one a moment ago is a fault of its source. */
const JUMP = 2n

/** See {@link RateBook}. */
export function rateBook(options: RateBookOptions): RateBook {
  const { sources, currencies, maxAgeMs, now = Date.now } = options
  const rates = new Map<string, Rate>()
  let timer: ReturnType<typeof setInterval> | undefined
  const closing = new AbortController()

  function rateOf(currency: string): Rate | undefined {
    const rate = rates.get(currency)
    if (rate === undefined) return undefined
    const ageMs = now() - rate.readAt
    // A clock that was set back makes a rate no younger than it can be known to be.
    return ageMs >= 0 && ageMs <= maxAgeMs ? rate : undefined
  }

  async function ask(source: RateSource, currency: string): Promise<Decimal | undefined> {
    const url = forCurrency(source.url, currency)
    const fault = (detail: string): undefined => {
      if (!closing.signal.aborted) options.onFault?.(new URL(url).host, detail)
    }
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(options.timeoutMs)])
      const rate = readRate(await options.fetchJson(url, signal), forCurrency(source.field, currency))
      if (rate === undefined) return fault(`no rate for ${currency} in its answer`)
      if (compareDecimals(rate, LEAST) < 0 || compareDecimals(rate, MOST) > 0)
        return fault(`a rate for ${currency} that cannot be`)
      return rate
    } catch (error) {
      return fault(error instanceof Error ? error.message : 'failed')
    }
  }

  async function refreshOne(currency: string): Promise<void> {
    // The answer is as old as the question.
    const readAt = now()
    const answers = await Promise.all(sources.map((source) => ask(source, currency)))
    const known = answers.filter((rate) => rate !== undefined).sort(compareDecimals)
    // Half of them must have answered: one wrong source alone must not set the price.
    if (known.length === 0 || known.length * 2 < sources.length) return
    const perBtc = known[(known.length - 1) >> 1]
    if (perBtc === undefined) return
    const before = rateOf(currency)
    if (before !== undefined && jumps(before.perBtc, perBtc)) {
      options.onFault?.(
        'all',
        `the rate for ${currency} has changed too much at once; the one before is kept`,
      )
      return
    }
    if ((rates.get(currency)?.readAt ?? Number.NEGATIVE_INFINITY) <= readAt || before === undefined)
      rates.set(currency, { perBtc, readAt })
  }

  async function refresh(): Promise<void> {
    await Promise.all(currencies.map(refreshOne))
  }

  return {
    rateOf,
    refresh,
    start() {
      if (timer !== undefined || closing.signal.aborted) return
      void refresh()
      timer = setInterval(() => void refresh(), options.refreshMs)
      unref(timer)
    },
    close() {
      clearInterval(timer)
      closing.abort()
    },
  }
}

function jumps(before: Decimal, after: Decimal): boolean {
  const times = (rate: Decimal): Decimal => ({ ...rate, units: rate.units * JUMP })
  return compareDecimals(after, times(before)) > 0 || compareDecimals(before, times(after)) > 0
}
