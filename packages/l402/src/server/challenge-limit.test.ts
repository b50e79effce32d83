import { describe, expect, it } from 'vitest'
import { challengeLimit } from './challenge-limit.ts'
import { clientPrefix } from './client-prefix.ts'

describe('the prefix of a client (S10)', () => {
  it.each([
    ['192.0.2.7', '192.0.2.0/24'],
    ['192.0.2.255', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['255.255.255.255', '255.255.255.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8:1::', '2001:db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['', 'unknown'],
    ['unix:', 'unknown'],
    ['192.0.2.7:1234', 'unknown'],
  ])('of %j is %s', (address, prefix) => {
    expect(clientPrefix(address)).toBe(prefix)
  })
})

describe('the challenge limit', () => {
  function limited(limit = 3, perSeconds = 60) {
    const clock = { ms: 1_800_000_000_000 }
    const { take } = challengeLimit({ limit, perSeconds }, () => clock.ms)
    return { clock, take }
  }

  it('lets a burst through, then one as often as the limit says', () => {
    const { clock, take } = limited()
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 20])
    clock.ms += 19_999
    expect(take('a')).toBe(1)
    clock.ms += 1
    expect(take('a')).toBe(0)
    expect(take('a')).toBe(20)
    expect(take('b')).toBe(0)
  })

  it('saves up no more than one burst', () => {
    const { clock, take } = limited()
    take('a')
    clock.ms += 3_600_000
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 20])
  })

  it('locks nobody out when the clock is set back', () => {
    const { clock, take } = limited()
    take('a')
    clock.ms -= 3_600_000
    expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 20])
    clock.ms += 20_000
    expect(take('a')).toBe(0)
  })

  it('forgets the prefixes used longest ago when there are too many', () => {
    const { take } = limited(1)
    expect(take('first')).toBe(0)
    expect(take('second')).toBe(0)
    expect(take('first')).toBe(60)
    for (let i = 0; i < 65_535; i++) take(`p${i}`)
    expect(take('first')).toBe(60)
    expect(take('second')).toBe(0)
  })

  it.each([
    [0, 60],
    [1, 0],
    [Number.NaN, 60],
  ])('is not %d in %d seconds', (limit, perSeconds) => {
    expect(() => challengeLimit({ limit, perSeconds }, Date.now)).toThrow(RangeError)
  })
})
