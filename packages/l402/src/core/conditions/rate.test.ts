import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkRate, type Rate, rate } from './rate.ts'

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

  it('admits until the window is full, then says when there is room', () => {
    const three = { limit: 3n, seconds: 10n }
    expect(checkRate(three, [], 100, 'c')).toEqual({ ok: true })
    expect(checkRate(three, [91, 99], 100, 'c')).toEqual({ ok: true })
    expect(checkRate(three, [90, 91, 99], 100, 'c')).toEqual({ ok: true })
    expect(checkRate(three, [91, 99, 92], 100, 'c')).toMatchObject({
      ok: false,
      reason: 'over_rate',
      condition: 'c',
      retryAfterSeconds: 1,
    })
    expect(checkRate(three, [95, 96, 97, 98, 99], 100, 'c')).toMatchObject({ retryAfterSeconds: 7 })
    expect(checkRate({ limit: 0n, seconds: 10n }, [], 100, 'c')).toMatchObject({ retryAfterSeconds: 10 })
    expect(checkRate({ limit: 2n ** 62n, seconds: 2n ** 62n }, [1, 2], 100, 'c')).toEqual({ ok: true })
  })

  it('counts what a clock set back left in the future', () => {
    expect(checkRate({ limit: 1n, seconds: 10n }, [200], 100, 'c')).toMatchObject({ retryAfterSeconds: 110 })
  })

  const anyRate = fc.record({ limit: fc.bigInt(0n, 5n), seconds: fc.bigInt(1n, 20n) })

  it('never admits more than N in any window, and does admit at the time it named', () => {
    fc.assert(
      fc.property(anyRate, fc.array(fc.nat(5), { minLength: 1, maxLength: 60 }), (limit, steps) => {
        const admitted: number[] = []
        let now = 1000
        for (const step of steps) {
          now += step
          const outcome = checkRate(limit, admitted, now, 'c')
          if (outcome.ok) admitted.push(now)
          else if (limit.limit > 0n) {
            const wait = outcome.retryAfterSeconds as number
            expect(checkRate(limit, admitted, now + wait, 'c').ok).toBe(true)
            expect(checkRate(limit, admitted, now + wait - 1, 'c').ok).toBe(false)
          }
        }
        for (const start of admitted) {
          const within = admitted.filter((at) => at >= start && at < start + Number(limit.seconds))
          expect(within.length).toBeLessThanOrEqual(Number(limit.limit))
        }
      }),
    )
  })

  it('that narrows admits nothing the earlier one refuses', () => {
    fc.assert(
      fc.property(
        anyRate,
        anyRate,
        fc.array(fc.integer({ min: 70, max: 100 }), { maxLength: 8 }),
        (a, b, admittedAt) => {
          if (!rate.narrows(b, a)) return
          if (checkRate(b, admittedAt, 100, 'c').ok) expect(checkRate(a, admittedAt, 100, 'c').ok).toBe(true)
        },
      ),
      { numRuns: 1000 },
    )
  })
})
