import { describe, expect, it } from 'vitest'
import { type Rate, rate } from './rate.ts'

describe('_rate (protocol §5)', () => {
  it('is N/<seconds>', () => {
    expect(rate.parse('10/60')).toEqual({ limit: 10n, seconds: 60n })
    expect(rate.parse('0/1')).toEqual({ limit: 0n, seconds: 1n })
  })

  it.each([
    '',
    '10',
    '/',
    '10/',
    '/60',
    '10/0',
    '10/060',
    '10/6e1',
    '10 / 60',
    '10/60/1',
    '-1/60',
    '10/60s',
    '10/-60',
  ])('does not parse %j', (value) => {
    expect(rate.parse(value)).toBeUndefined()
  })

  it('narrows with no more requests in no shorter a window', () => {
    const narrows = (later: string, earlier: string) =>
      rate.narrows(rate.parse(later) as Rate, rate.parse(earlier) as Rate)
    expect(narrows('10/60', '10/60')).toBe(true)
    expect(narrows('5/60', '10/60')).toBe(true)
    expect(narrows('10/120', '10/60')).toBe(true)
    expect(narrows('11/120', '10/60')).toBe(false)
    expect(narrows('1/1', '10/60')).toBe(false)
  })
})
