import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'
import { isL402Error } from './errors.ts'

function refusal(text: string): string {
  try {
    parseDuration(text)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
  return 'parsed'
}

describe('parseDuration', () => {
  it.each([
    ['30s', 30],
    ['5m', 300],
    ['1h', 3_600],
    ['7d', 604_800],
    ['90 s', 90],
    ['36525d', 3_155_760_000],
  ])('reads %s as %i seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  it.each([
    ...['', 's', '30', '30 ', ' 30s', '30  s', '-30s', '+30s', '1.5h', '1e3s', '0x1s', '1_000s', '01s'],
    ...['30S', '30 sec', '30ms', '1w', '1y', '1h30m', '30s\n', 'P1D', 'Infinity'],
  ])('refuses %j, naming the units and an example', (text) => {
    expect(refusal(text)).toContain("(s, m, h, d), as in '30s'")
  })

  it('says that a number has no unit', () => {
    expect(refusal('30')).toContain('got "30", which has no unit')
  })

  it('refuses no time and more than a century', () => {
    expect(refusal('0s')).toContain('more than no time')
    expect(refusal('36526d')).toContain('at most 36525d')
  })

  it('throws nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^\d*\s?[a-z]*$/)), (text) => {
        expect(refusal(text).length).toBeLessThan(400)
      }),
    )
  })
})

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [90, '90s'],
    [300, '5m'],
    [7_200, '2h'],
    [129_600, '36h'],
    [604_800, '7d'],
  ])('writes %i seconds as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text)
  })

  it('writes what parseDuration reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_155_760_000 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds)
      }),
    )
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (wrong) => {
    expect(() => formatDuration(wrong)).toThrow(RangeError)
  })
})
