import { describe, expect, it, vi } from 'vitest'
import { type RateBookOptions, rateBook } from './rate-book.ts'
import { RATE_PRESETS, readRate } from './rate-source.ts'

const A = { url: 'https://a.example/{CUR}', field: 'rate' }
const B = { url: 'https://b.example/{cur}', field: 'rate' }
const C = { url: 'https://c.example/x', field: '{CUR}.0' }

function book(answers: Record<string, unknown>, more: Partial<RateBookOptions> = {}) {
  const self = { clock: 1_000_000, faults: [] as string[], asked: [] as string[] }
  const rates = rateBook({
    sources: [A],
    currencies: ['USD'],
    refreshMs: 60_000,
    maxAgeMs: 300_000,
    timeoutMs: 1_000,
    fetchJson: async (url) => {
      self.asked.push(url)
      const answer = answers[url]
      if (answer === undefined) throw new Error('no route to host')
      return answer
    },
    onFault: (source, detail) => self.faults.push(`${source}: ${detail}`),
    now: () => self.clock,
    ...more,
  })
  return { rates, self, answers }
}

describe('the rate book', () => {
  it('has no rate before a source has answered, and none that is too old', async () => {
    const { rates, self, answers } = book({ 'https://a.example/USD': { rate: '64000.5' } })
    expect(rates.rateOf('USD')).toBeUndefined()
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc).toEqual({ units: 640_005n, scale: 1 })
    expect(rates.rateOf('EUR')).toBeUndefined()
    delete answers['https://a.example/USD']
    self.clock += 300_000
    await rates.refresh()
    expect(rates.rateOf('USD')).toBeDefined()
    self.clock += 1
    expect(rates.rateOf('USD')).toBeUndefined()
    expect(self.faults).toEqual(['a.example: no route to host'])
    answers['https://a.example/USD'] = { rate: 1 }
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc).toEqual({ units: 1n, scale: 0 })
  })

  it('believes no rate from the future of its clock', async () => {
    const { rates, self } = book({ 'https://a.example/USD': { rate: 5 } })
    await rates.refresh()
    self.clock -= 1
    expect(rates.rateOf('USD')).toBeUndefined()
  })

  it('takes the median of several sources, and needs half of them', async () => {
    const answers: Record<string, unknown> = {
      'https://a.example/USD': { rate: 60_000 },
      'https://b.example/usd': { rate: '1' },
      'https://c.example/x': { USD: [60_100] },
    }
    const { rates } = book(answers, { sources: [A, B, C] })
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc.units).toBe(60_000n)
    delete answers['https://a.example/USD']
    delete answers['https://c.example/x']
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc.units).toBe(60_000n)
  })

  it('keeps the rate before one that has doubled at once', async () => {
    const { rates, self, answers } = book({ 'https://a.example/USD': { rate: 60_000 } })
    await rates.refresh()
    answers['https://a.example/USD'] = { rate: 120_001 }
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc.units).toBe(60_000n)
    answers['https://a.example/USD'] = { rate: 29_999 }
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc.units).toBe(60_000n)
    expect(self.faults).toHaveLength(2)
    // Once what is kept is too old, there is nothing to hold the new one against.
    self.clock += 300_001
    await rates.refresh()
    expect(rates.rateOf('USD')?.perBtc.units).toBe(29_999n)
  })

  it.each([
    { rate: 0 },
    { rate: -1 },
    { rate: 'NaN' },
    { rate: '0x10' },
    { rate: null },
    {},
    [],
    null,
    'x',
    { rate: 1e21 },
  ])('takes no rate from %j', async (answer) => {
    const { rates, self } = book({ 'https://a.example/USD': answer })
    await rates.refresh()
    expect(rates.rateOf('USD')).toBeUndefined()
    expect(self.faults).toHaveLength(1)
  })

  it('gives up on a source that does not answer in time', async () => {
    const { rates, self } = book(
      {},
      {
        timeoutMs: 5,
        fetchJson: (_, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(new Error('gave up')))
          }),
      },
    )
    await rates.refresh()
    expect(self.faults).toEqual(['a.example: gave up'])
  })

  it('asks in the background, until it is closed', async () => {
    const { rates, self } = book({ 'https://a.example/USD': { rate: 5 } }, { refreshMs: 2 })
    rates.start()
    await vi.waitFor(() => expect(self.asked.length).toBeGreaterThan(2))
    rates.close()
    const { length } = self.asked
    rates.start()
    expect(self.asked).toHaveLength(length)
  })
})

describe('the public price APIs', () => {
  it.each<[string, unknown, bigint]>([
    ['coinbase', { data: { base: 'BTC', currency: 'USD', amount: '64123.45' } }, 6_412_345n],
    [
      'kraken',
      { error: [], result: { XXBTZUSD: { a: ['1'], c: ['64123.45000', '0.001'] } } },
      6_412_345_000n,
    ],
    ['bitstamp', { last: '64123.45', high: '1' }, 6_412_345n],
    ['mempool', { time: 1, USD: 64_123.45, EUR: 1 }, 6_412_345n],
  ])('%s is read by the JSON that it documents', (name, json, units) => {
    const source = RATE_PRESETS.get(name)
    expect(readRate(json, source?.field.replace('{CUR}', 'USD') ?? '')?.units).toBe(units)
  })
})
