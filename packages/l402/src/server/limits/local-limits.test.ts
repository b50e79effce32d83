import { describe, expect, it } from 'vitest'
import type { Allowance } from './authority.ts'
import { localLimits } from './local-limits.ts'

function limited(allowance: Partial<Allowance> = {}, keysPerRule = 65_536) {
  const clock = { ms: 1_800_000_000_000 }
  const limits = localLimits({ now: () => clock.ms, keysPerRule })
  const of = { requests: 3, windowMs: 60_000, burst: allowance.requests ?? 3, ...allowance }
  const ask = (key: string, rule = 'one') => ({ rule, key, allowance: of })
  return { clock, limits, ask, take: (key: string) => limits.take([ask(key)]) }
}

describe('limits in this process', () => {
  it('let a burst through, then one as often as the limit says', () => {
    const { clock, take } = limited()
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 20_000])
    clock.ms += 19_999
    expect(take('a')).toBe(1)
    clock.ms += 1
    expect(take('a')).toBe(0)
    expect(take('a')).toBe(20_000)
    expect(take('b')).toBe(0)
  })

  it('save up no more than one burst', () => {
    const { clock, take } = limited()
    take('a')
    clock.ms += 3_600_000
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 20_000])
  })

  it('take no more at once than a burst smaller than the rate', () => {
    const { take } = limited({ requests: 60, burst: 2 })
    expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 1_000])
  })

  it('lock nobody out when the clock is set back', () => {
    const { clock, take } = limited()
    take('a')
    clock.ms -= 3_600_000
    expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 20_000])
    clock.ms += 20_000
    expect(take('a')).toBe(0)
  })

  it('count in all rules or in none', () => {
    const { limits, ask } = limited({ requests: 1 })
    expect(limits.take([ask('a', 'strict')])).toBe(0)
    expect(limits.take([ask('a', 'wide'), ask('a', 'strict')])).toBe(60_000)
    expect(limits.take([ask('a', 'wide')])).toBe(0)
    expect(limits.take([ask('a', 'wide')])).toBe(60_000)
  })

  it('have room again for what is given back, and no more than before', () => {
    const { limits, ask, take } = limited({ requests: 1 })
    take('a')
    limits.giveBack([ask('a')])
    limits.giveBack([ask('a')])
    limits.giveBack([ask('never')])
    expect([take('a'), take('a')]).toEqual([0, 60_000])
  })

  it('remember no more keys than allowed, and rather those in use', () => {
    const { limits, take } = limited({ requests: 1 }, 5)
    expect(take('first')).toBe(0)
    expect(take('second')).toBe(0)
    expect(take('first')).toBe(60_000)
    for (let i = 0; i < 4; i++) take(`p${i}`)
    expect(limits.size).toBe(5)
    expect(take('first')).toBe(60_000)
    expect(take('second')).toBe(0)
    for (let i = 0; i < 1_000; i++) take(`q${i}`)
    expect(limits.size).toBe(5)
  })

  it('forget somebody even where all keys are in use', () => {
    const { limits, take } = limited({ requests: 1 }, 20)
    const names = Array.from({ length: 20 }, (_, index) => `p${index}`)
    for (const name of [...names, ...names]) take(name)
    take('new')
    expect(limits.size).toBe(20)
  })

  it.each([0, 1.5, Number.NaN])('do not remember %d keys', (keysPerRule) => {
    expect(() => localLimits({ keysPerRule })).toThrow(RangeError)
  })
})
