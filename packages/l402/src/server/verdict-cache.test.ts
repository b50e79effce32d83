import { describe, expect, it } from 'vitest'
import { keys, presented, sold } from '../../test/sold.ts'
import type { ServicePolicy } from '../core/clear.ts'
import { credentialText } from '../core/credential.ts'
import { judgeHeaders, standingWith, type Verdict, type VerdictCache, verdictCache } from './verdict-cache.ts'

function judge(cache: VerdictCache, ...caveats: readonly string[]): Verdict {
  const headers = presented(sold(...caveats))
  return cache.judge(credentialText(headers) ?? '', headers)
}

describe('the verdict cache', () => {
  it('answers the same verdict for the same text', () => {
    const cache = verdictCache(keys, 10)
    expect(judge(cache)).toBe(judge(cache))
    expect(judge(cache, 'note=1')).not.toBe(judge(cache))
  })

  it('keeps what is used, however much comes by', () => {
    const cache = verdictCache(keys, 10)
    const used = judge(cache)
    for (let i = 0; i < 100; i++) {
      judge(cache, `note=${i}`)
      expect(judge(cache)).toBe(used)
      expect(cache.size).toBeLessThanOrEqual(10)
    }
  })

  it('forgets what is not used', () => {
    const cache = verdictCache(keys, 10)
    const first = judge(cache)
    for (let i = 0; i < 20; i++) judge(cache, `note=${i}`)
    expect(judge(cache)).not.toBe(first)
  })

  it('counts a large verdict for several, so that one buyer cannot fill the memory with caveats', () => {
    const list = Array.from({ length: 64 }, (_, i) => `/${i}`).join(',')
    const lists = Array.from({ length: 20 }, () => `weather_paths=${list}`)
    const notes = Array.from({ length: 60 }, (_, i) => `note=${i}`)
    const long = `note=${'x'.repeat(7000)}`
    for (const [caveats, most] of [
      [lists, 2],
      [notes, 40],
      [[long], 25],
    ] as const) {
      const cache = verdictCache(keys, 200)
      for (let i = 0; i < 60; i++) judge(cache, `n=${i}`, ...caveats)
      expect(cache.size).toBeGreaterThan(0)
      expect(cache.size).toBeLessThanOrEqual(most)
    }
  })

  it('keeps nothing that alone is more than half of it, and judges it all the same', () => {
    const cache = verdictCache(keys, 2)
    expect(judge(cache, ...Array.from({ length: 40 }, (_, i) => `note=${i}`)).credentials).toHaveLength(1)
    expect(cache.size).toBe(0)
  })

  it('reads the caveats once for each service', () => {
    const [cached] = judgeHeaders(presented(sold()), keys).credentials
    if (cached === undefined) throw new Error('the credential did not verify')
    const weather: ServicePolicy = { service: 'weather', enforced: new Set() }
    const other: ServicePolicy = { service: 'other', enforced: new Set() }
    expect(standingWith(cached, weather)).toBe(standingWith(cached, weather))
    expect(standingWith(cached, weather).summary.ok).toBe(true)
    expect(standingWith(cached, other).summary).toMatchObject({ reason: 'wrong_service' })
  })
})
