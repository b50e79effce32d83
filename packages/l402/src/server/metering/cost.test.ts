import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costOf, decimalCost } from './cost.ts'

const each = { msat: 1n, per: 1n }

describe('a cost', () => {
  it('is in proportion and rounded up to a whole msat', () => {
    const rate = { msat: 250n, per: 1000n }
    expect([0n, 1n, 4n, 5n, 1000n, 1001n].map((units) => costOf(rate, units))).toEqual([
      0n,
      1n,
      1n,
      2n,
      250n,
      251n,
    ])
  })

  it.each([
    ['0', 0n],
    ['0.0', 0n],
    ['007', 7n],
    ['1.5', 2n],
    ['1.000000000000000000001', 2n],
    ['1.000', 1n],
    ['9007199254740993', 9007199254740993n],
    ['1e-7', 1n],
    ['0.0000010000675484555402', 1n],
    ['5E-324', 1n],
    ['2000000000000000000', 2000000000000000000n],
  ])('of %s units at 1 msat is %s', (text, msat) => {
    expect(decimalCost(each, text)).toBe(msat)
  })

  it('of parts of a unit is in proportion, too', () => {
    expect(decimalCost({ msat: 1000n, per: 1n }, '0.0235')).toBe(24n)
    expect(decimalCost({ msat: 10n, per: 1n }, '1.5')).toBe(15n)
    // 0.1 as a binary fraction is a little more than a tenth.
    expect(decimalCost({ msat: 10n, per: 1n }, String(0.1))).toBe(1n)
  })

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '.5',
    '1.',
    '1e3',
    '1e400',
    '1e+21',
    'NaN',
    'Infinity',
    '0x10',
    '1_000',
    '1,5',
    '1, 2',
    '9'.repeat(22),
    '1'.repeat(10_000),
    `0.${'1'.repeat(31)}`,
    '2100000000000000001',
    '١',
    '1 2',
    '1\n',
  ])('of %j units is none', (text) => {
    expect(decimalCost(each, text)).toBe('wrong')
  })

  it('is exact for every whole number that JSON can say', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.bigInt(1n, 10n ** 6n), fc.bigInt(0n, 200n), (units, per, msat) => {
        const cost = decimalCost({ msat, per }, String(units))
        expect(cost).toBe((BigInt(units) * msat + per - 1n) / per)
      }),
    )
  })

  it('is never below the exact product, nor a whole msat above it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), fc.bigInt(1n, 1000n), (units, per) => {
        const cost = decimalCost({ msat: 7n, per }, String(units))
        if (typeof cost !== 'bigint') throw new Error('expected a cost')
        const exact = (units * 7) / Number(per)
        expect(Number(cost)).toBeGreaterThanOrEqual(exact * (1 - 1e-12))
        expect(Number(cost)).toBeLessThan((exact + 1) * (1 + 1e-12))
      }),
      { numRuns: 2000 },
    )
  })
})
