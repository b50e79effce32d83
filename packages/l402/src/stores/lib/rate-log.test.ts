import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RateUse } from '../ledger.ts'
import { logged, type RateLog, unlogged, waitOf } from './rate-log.ts'

const key = new Uint8Array(32)
const rate = (limit: bigint, windowMs: number): RateUse => ({ key, limit, windowMs })

/** Admits at these times what may be admitted; answers when, and the log at the end. */
function run(wanted: RateUse, times: readonly number[]): { admitted: number[]; log: RateLog } {
  const admitted: number[] = []
  let log: RateLog = []
  for (const now of times) {
    if (waitOf(log, wanted, now) > 0) continue
    log = logged(log, wanted, now)
    admitted.push(now)
  }
  return { admitted, log }
}

const steps = fc.array(fc.nat(300), { minLength: 1, maxLength: 120 })
const timesOf = (gaps: readonly number[]): number[] => {
  let now = 1_800_000_000_000
  return gaps.map((gap) => (now += gap))
}

describe('a sliding window (protocol §5, _rate)', () => {
  it('never admits more than its limit in any window, and is full no longer than it says', () => {
    const wanted = fc.record({ limit: fc.bigInt(1n, 200n), windowMs: fc.integer({ min: 1, max: 5_000 }) })
    fc.assert(
      fc.property(wanted, steps, ({ limit, windowMs }, gaps) => {
        const one = rate(limit, windowMs)
        const times = timesOf(gaps.flatMap((gap) => [gap, 0, 0]))
        const { admitted, log } = run(one, times)
        for (const start of admitted) {
          const within = admitted.filter((at) => at >= start && at < start + windowMs)
          expect(within.length).toBeLessThanOrEqual(Number(limit))
        }
        expect(log.length).toBeLessThanOrEqual(65)
        const now = times.at(-1) ?? 0
        const wait = waitOf(log, one, now)
        if (wait > 0) {
          expect(waitOf(log, one, now + wait)).toBe(0)
          expect(waitOf(log, one, now + wait - 1)).toBe(1)
        }
      }),
    )
  })

  it('is exact up to 64 requests: it refuses only where the window is really full', () => {
    const wanted = fc.record({ limit: fc.bigInt(1n, 64n), windowMs: fc.integer({ min: 1, max: 5_000 }) })
    fc.assert(
      fc.property(wanted, steps, ({ limit, windowMs }, gaps) => {
        const one = rate(limit, windowMs)
        const times = timesOf(gaps)
        const { admitted, log } = run(one, times)
        const now = times.at(-1) ?? 0
        const full = admitted.filter((at) => now - at < windowMs).length >= Number(limit)
        expect(waitOf(log, one, now) > 0).toBe(full)
      }),
    )
  })

  it('of more than 64 lets nobody wait more than a 63rd of the window too long', () => {
    const one = rate(1_000n, 63_000)
    const start = 1_800_000_000_123
    const { log } = run(one, Array<number>(1_000).fill(start))
    const wait = waitOf(log, one, start)
    expect(wait).toBeGreaterThanOrEqual(63_000)
    expect(wait).toBeLessThanOrEqual(64_000)
  })

  it('counts what a clock set back left in the future, and never grows by steps of the clock', () => {
    const one = rate(1_000_000n, 1_000)
    const times = Array.from({ length: 500 }, (_, n) => 1_800_000_000_000 + (n % 2) * 3_600_000 + n)
    const { log } = run(one, times)
    expect(log.length).toBeLessThanOrEqual(65)
    const full = rate(1n, 1_000)
    expect(waitOf(run(full, [3_600_000]).log, full, 0)).toBe(3_601_000)
  })

  it('takes the newest request out again', () => {
    const two = rate(2n, 1_000)
    const { log } = run(two, [5, 5])
    expect(unlogged(unlogged(log))).toEqual([])
    expect(unlogged([])).toEqual([])
    expect(waitOf(unlogged(log), two, 5)).toBe(0)
  })
})
