import { describe, expect, it } from 'vitest'
import { feeReserveOf, readFees } from './fees.ts'

const fail = (what: string): never => {
  throw new Error(what)
}
const reserve = (table: unknown, amountMsat: bigint): bigint => {
  const fees = readFees(table, fail)
  if (fees === undefined) throw new Error('no table')
  return feeReserveOf(fees)(amountMsat)
}

describe('the table fees', () => {
  it('is a share of the price, with a least and a most', () => {
    expect(reserve({}, 50_000n)).toBe(1_000n)
    expect(reserve({}, 500_000n)).toBe(5_000n)
    expect(reserve({ percent: 2.5 }, 1_000_000n)).toBe(25_000n)
    expect(reserve({ percent: 0.0001, least: 0 }, 1_000_000n)).toBe(1n)
    expect(reserve({ percent: 5, most: '10 sat' }, 1_000_000n)).toBe(10_000n)
    expect(reserve({ percent: 0, least: '3 sat' }, 1_000_000n)).toBe(3_000n)
  })

  it('can forbid fees altogether', () => {
    expect(reserve({ most: 0 }, 1_000_000n)).toBe(0n)
    expect(reserve({ percent: 0, least: 0 }, 1_000_000n)).toBe(0n)
  })

  it.each([
    ['5%', 'fees: expected a table such as { percent: 1, most: 50 sat }'],
    [{ ratio: 1 }, 'fees: unknown key "ratio", expected percent, least, most'],
    [{ percent: '1%' }, 'fees.percent: expected a number from 0 to 100'],
    [{ percent: -1 }, 'fees.percent: expected a number from 0 to 100'],
    [{ percent: Number.NaN }, 'fees.percent: expected a number from 0 to 100'],
    [{ most: 'lots' }, 'fees.most: expected an amount such as 5 sat, or 0'],
    [{ least: '2 sat', most: '1 sat' }, 'fees.least: expected no more than fees.most'],
  ])('is refused where it says %j', (table, message) => {
    expect(() => readFees(table, fail)).toThrow(message)
  })
})
