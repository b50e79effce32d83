import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonPart } from './json.ts'

function costOf(field: string, ...values: readonly unknown[]) {
  const part = jsonPart({ path: field.split('.'), rate: { msat: 10n, per: 1n } })
  for (const value of values) part.value?.(value)
  return part.cost()
}

describe('units in a field of JSON', () => {
  it('are found behind keys and array indexes', () => {
    expect(costOf('usage.total_tokens', { usage: { total_tokens: 7 } })).toBe(70n)
    expect(costOf('items.1.n', { items: [{ n: 1 }, { n: 2 }] })).toBe(20n)
    expect(costOf('0', [3])).toBe(30n)
    expect(costOf('1', { 1: 0.25 })).toBe(3n)
  })

  it('are those of the last value that has the field', () => {
    expect(costOf('n', { n: 1 }, { n: 2 }, { n: null }, {}, 5, null)).toBe(20n)
    expect(costOf('n', { n: 1 }, { n: 'x' })).toBe('wrong')
    expect(costOf('n', { n: 'x' }, { n: 1 })).toBe(10n)
  })

  it.each([
    'toString',
    '__proto__',
    'constructor.length',
    'a.length',
    'a.00',
    's.length',
    's.0',
    'a.n',
    'n.n',
  ])('are absent at %s, where nothing was said', (field) => {
    expect(costOf(field, { a: [1], s: 'text', n: null })).toBe('absent')
  })

  it('are wrong where they are no number of units', () => {
    for (const n of [-1, -0.5, '1', true, [1], { n: 1 }, Number.POSITIVE_INFINITY, 2e21, ''])
      expect(costOf('n', { n })).toBe('wrong')
  })

  it('are never anything but wrong, absent or a cost that can be paid, whatever the JSON', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.array(fc.constantFrom('a', '0', '__proto__', 'length'), { minLength: 1 }),
        (value, path) => {
          const cost = costOf(path.join('.'), value, { a: value }, [value])
          expect(typeof cost === 'bigint' ? cost >= 0n : cost === 'wrong' || cost === 'absent').toBe(true)
        },
      ),
    )
  })
})
