import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAmount, MAX_AMOUNT_MSAT, parseAmount } from './amount.ts'
import { isL402Error } from './errors.ts'

function refusal(text: string): string {
  try {
    parseAmount(text)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
  return 'parsed'
}

describe('parseAmount', () => {
  it.each([
    ['10 sat', 10_000n],
    ['10sat', 10_000n],
    ['1 sats', 1_000n],
    ['1500 msat', 1_500n],
    ['1.5 sat', 1_500n],
    ['1ksat', 1_000_000n],
    ['0.5 ksat', 500_000n],
    ['0.0001 btc', 10_000_000n],
    ['0.00000000001btc', 1n],
    ['1.000 msat', 1n],
    ['0 sat', 0n],
    ['21000000 btc', MAX_AMOUNT_MSAT],
  ])('reads %s as %s msat', (text, msat) => {
    expect(parseAmount(text)).toBe(msat)
  })

  it.each([
    ...['', ' ', 'sat', '10', '10.5', '10 ', ' 10 sat', '10  sat', '10\tsat', '10 sat\n', '-1 sat', '+1 sat'],
    ...[
      '1e3 sat',
      '0x10 sat',
      '1,000 sat',
      '1_000 sat',
      '1 000 sat',
      '.5 sat',
      '1. sat',
      '1.2.3 sat',
      '01 sat',
    ],
    ...['10 SAT', '10 Msat', '10 BTC', '10 satoshi', '１０ sat', 'Infinity sat', 'NaN', '10 sat/s'],
  ])('refuses %j, naming the units and an example', (text) => {
    expect(refusal(text)).toContain("(msat, sat, sats, ksat, btc), as in '10 sat'")
  })

  it('says that a number has no unit', () => {
    expect(refusal('10')).toContain('got "10", which has no unit')
  })

  it.each(['$0.02', '€5', '0.02 $', '0.02 USD', 'usd 3', '5EUR'])(
    'says that %s needs a rate source',
    (text) => {
      expect(refusal(text)).toContain('need a rate source')
    },
  )

  it.each(['0.5 msat', '1.0001 sat', '0.000000000001 btc'])(
    'refuses %s as less than a millisatoshi',
    (text) => {
      expect(refusal(text)).toContain('whole number of millisatoshis')
    },
  )

  it.each(['21000000.00000000001 btc', `${'9'.repeat(60)} sat`])(
    'refuses %s as more than there is',
    (text) => {
      expect(refusal(text)).toContain('21 million')
    },
  )

  it('throws nothing else, and shows long text shortened', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9. ,$-]*[a-z]*$/)),
        (text) => {
          expect(refusal(text).length).toBeLessThan(500)
        },
      ),
    )
    expect(refusal('9'.repeat(1_000_000)).length).toBeLessThan(500)
  })
})

describe('formatAmount', () => {
  it.each([
    [10_000n, '10 sat'],
    [1_500n, '1500 msat'],
    [0n, '0 sat'],
    [1n, '1 msat'],
    [123_456_789_000n, '123456789 sat'],
  ])('writes %s msat as %s', (msat, text) => {
    expect(formatAmount(msat)).toBe(text)
  })

  it('writes what parseAmount reads', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX_AMOUNT_MSAT), (msat) => {
        expect(parseAmount(formatAmount(msat))).toBe(msat)
      }),
    )
  })
})
