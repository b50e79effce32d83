import { describe, expect, it } from 'vitest'
import { headerPart } from './header.ts'

function costOf(...headers: readonly string[]) {
  const part = headerPart({ name: 'x-cost', rate: { msat: 10n, per: 1n } })
  part.head?.(headers)
  return part.cost()
}

describe('units in a header line', () => {
  it('are read whatever the case of its name and the blanks around its value', () => {
    expect(costOf('Date', 'now', 'X-COST', ' 12\t')).toBe(120n)
    expect(costOf('x-cost', '1.25')).toBe(13n)
  })

  it('are absent without it', () => {
    expect(costOf()).toBe('absent')
    expect(costOf('X-Cost-Total', '1', 'X-Value', 'x-cost')).toBe('absent')
  })

  it('are wrong where two lines name some, or one names something else', () => {
    expect(costOf('x-cost', '1', 'X-Cost', '1')).toBe('wrong')
    expect(costOf('x-cost', '')).toBe('wrong')
    expect(costOf('x-cost', '-3')).toBe('wrong')
  })
})
