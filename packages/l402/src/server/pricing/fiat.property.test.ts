import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareDecimals, fiatToMsat, isFiatPrice, parseDecimal, parseFiat } from './fiat.ts'

const decimal = fc.record({ units: fc.bigInt({ min: 1n, max: 10n ** 15n }), scale: fc.nat({ max: 12 }) })

describe('prices in fiat money', () => {
  it.each<[string, string, bigint, number]>([
    ['$0.02', 'USD', 2n, 2],
    ['€ 1.50', 'EUR', 150n, 2],
    ['£10', 'GBP', 10n, 0],
    ['0.02 USD', 'USD', 2n, 2],
    ['0.02usd', 'USD', 2n, 2],
    ['3 CHF', 'CHF', 3n, 0],
    ['0.5 €', 'EUR', 5n, 1],
  ])('reads %s', (text, currency, units, scale) => {
    expect(isFiatPrice(text)).toBe(true)
    const price = parseFiat(text)
    expect(price.currency).toBe(currency)
    expect(compareDecimals(price.amount, { units, scale })).toBe(0)
  })

  it.each([
    '$',
    '$0',
    '$0.00',
    '$-1',
    '$1,50',
    '$01',
    '$1.',
    '$.5',
    '1 XYZ',
    '$1 USD',
    '¥5',
    '$1e3',
    'USD 1',
  ])('refuses %s', (text) => {
    expect(() => parseFiat(text)).toThrow('expected an amount above 0 in USD, EUR')
  })

  it('does not take amounts of bitcoin for fiat money', () => {
    for (const text of ['10 sat', '0.1 btc', '5 msat', '10']) expect(isFiatPrice(text)).toBe(false)
  })

  it('are the least whole millisatoshis that are worth no less', () => {
    const property = fc.property(decimal, decimal, (amount, perBtc) => {
      const msat = fiatToMsat(amount, perBtc)
      // What so many msat are worth, against the amount, both over one denominator.
      const worth = (count: bigint): bigint => count * perBtc.units * 10n ** BigInt(amount.scale)
      const due = amount.units * 100_000_000_000n * 10n ** BigInt(perBtc.scale)
      expect(worth(msat) >= due).toBe(true)
      expect(worth(msat - 1n) < due).toBe(true)
      expect(msat >= 1n).toBe(true)
    })
    fc.assert(property)
  })

  it('never become cheaper when the amount grows or the rate falls', () => {
    const property = fc.property(
      decimal,
      decimal,
      fc.bigInt({ min: 0n, max: 10n ** 12n }),
      (amount, perBtc, more) => {
        const msat = fiatToMsat(amount, perBtc)
        expect(fiatToMsat({ ...amount, units: amount.units + more }, perBtc) >= msat).toBe(true)
        expect(fiatToMsat(amount, { ...perBtc, units: perBtc.units + more }) <= msat).toBe(true)
      },
    )
    fc.assert(property)
  })

  it('reads decimals back as they were written', () => {
    const property = fc.property(fc.nat(), fc.stringMatching(/^[0-9]{1,9}$/), (whole, fraction) => {
      const units = BigInt(`${whole}${fraction}`)
      fc.pre(units > 0n)
      expect(parseDecimal(`${whole}.${fraction}`)).toEqual({ units, scale: fraction.length })
    })
    fc.assert(property)
  })
})
