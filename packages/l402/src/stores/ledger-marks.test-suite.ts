import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RateUse } from './ledger.ts'
import { freshKey, freshRedemption, type LedgerPlace } from './ledger-contract.test-suite.ts'
import { END_GRACE_MS } from './lib/ends.ts'
import { leftOf, logged, RATE_GRACE_MS, type RateLog, waitOf } from './lib/rate-log.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What a ledger remembers for a time: windows of rates, marks seen once, outcomes of claims. */
export function describeMarks({ ledger, clock, restart }: LedgerPlace): void {
  const rate = (limit: bigint, windowMs: number, key = freshKey()): RateUse => ({ key, limit, windowMs })

  describe('pace', () => {
    it('admits exactly the limit in a window, asked all at once, and says when there is room', async () => {
      const three = rate(3n, 10_000)
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => ledger().pace([three])))
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(3)
      expect(outcomes.at(-1)).toEqual({ ok: false, failed: 0, retryAfterMs: 10_000 })
      clock.nowMs += 9_999
      expect(await ledger().pace([three])).toEqual({ ok: false, failed: 0, retryAfterMs: 1 })
      clock.nowMs += 1
      expect(await ledger().pace([three])).toMatchObject({ ok: true })
    })

    it('slides: what was admitted leaves the window one by one', async () => {
      const two = rate(2n, 1_000)
      await ledger().pace([two])
      clock.nowMs += 600
      await ledger().pace([two])
      expect(await ledger().pace([two])).toEqual({ ok: false, failed: 0, retryAfterMs: 400 })
      clock.nowMs += 400
      expect(await ledger().pace([two])).toMatchObject({ ok: true })
      expect(await ledger().pace([two])).toEqual({ ok: false, failed: 0, retryAfterMs: 600 })
    })

    it('counts a request in all windows or in none, and takes it out again', async () => {
      const [wide, narrow] = [rate(5n, 1_000), rate(1n, 1_000)]
      expect(await ledger().pace([wide, narrow])).toMatchObject({ ok: true })
      for (let n = 0; n < 9; n++)
        expect(await ledger().pace([wide, narrow])).toMatchObject({ ok: false, failed: 1 })
      for (let n = 0; n < 4; n++) expect(await ledger().pace([wide])).toMatchObject({ ok: true })
      expect(await ledger().pace([wide])).toMatchObject({ ok: false })
      await ledger().unpace([wide, narrow])
      expect(await ledger().pace([wide, narrow])).toMatchObject({ ok: true })
    })

    it('says of each window how many more it admits', async () => {
      const [wide, narrow] = [rate(90n, 10_000), rate(2n, 1_000)]
      expect(await ledger().pace([wide, narrow])).toEqual({ ok: true, left: [89, 1] })
      const both = await Promise.all([ledger().pace([narrow, wide]), ledger().pace([wide])])
      expect(both).toEqual([
        { ok: true, left: [0, 88] },
        { ok: true, left: [87] },
      ])
      clock.nowMs += 1_000
      expect(await ledger().pace([wide, narrow])).toEqual({ ok: true, left: [86, 1] })
    })

    it('of nothing admits nothing; of more than can be counted everything', async () => {
      expect(await ledger().pace([rate(0n, 5_000)])).toEqual({ ok: false, failed: 0, retryAfterMs: 5_000 })
      expect(await ledger().pace([rate(2n ** 70n, 2 ** 50)])).toMatchObject({ ok: true })
    })

    it('survives a restart, and a clock that is set back or forward never frees a window early', async () => {
      const one = rate(1n, 3_600_000)
      await ledger().pace([one])
      await restart()
      expect(await ledger().pace([one])).toMatchObject({ ok: false })
      clock.nowMs -= 1_800_000
      expect(await ledger().pace([one])).toEqual({ ok: false, failed: 0, retryAfterMs: 5_400_000 })
      clock.nowMs += 1_800_000
    })

    it('agrees with the one algorithm of all ledgers', async () => {
      const requests = fc.array(fc.nat(400), { minLength: 1, maxLength: 40 })
      const windows = fc.record({ limit: fc.bigInt(1n, 90n), windowMs: fc.integer({ min: 1, max: 2_000 }) })
      await fc.assert(
        fc.asyncProperty(windows, requests, fc.boolean(), async ({ limit, windowMs }, steps, burst) => {
          const wanted = rate(limit, windowMs)
          let log: RateLog = []
          for (const step of steps) {
            clock.nowMs += burst ? step % 7 : step
            const wait = waitOf(log, wanted, clock.nowMs)
            if (wait === 0) log = logged(log, wanted, clock.nowMs)
            const left = [leftOf(log, wanted, clock.nowMs)]
            expect(await ledger().pace([wanted])).toEqual(
              wait > 0 ? { ok: false, failed: 0, retryAfterMs: wait } : { ok: true, left },
            )
          }
        }),
        { numRuns: 25 },
      )
    })

    it('calls wrong use by its name', async () => {
      await expect(ledger().pace([])).rejects.toThrow(RangeError)
      await expect(ledger().pace([rate(-1n, 5)])).rejects.toThrow(RangeError)
      for (const windowMs of [0, 1.5, 2 ** 51])
        await expect(ledger().pace([rate(1n, windowMs)])).rejects.toThrow(RangeError)
    })
  })

  describe('once', () => {
    it('is true once, asked all at once, after a restart too, until its time', async () => {
      const mark = freshKey()
      const untilMs = clock.nowMs + 60_000
      const answers = await Promise.all(Array.from({ length: 20 }, () => ledger().once(mark, untilMs)))
      expect(answers.filter(Boolean)).toHaveLength(1)
      expect(await ledger().once(freshKey(), untilMs)).toBe(true)
      await restart()
      expect(await ledger().once(mark, untilMs)).toBe(false)
      clock.nowMs = untilMs
      expect(await ledger().once(mark, untilMs + 5)).toBe(true)
      expect(await ledger().once(mark, untilMs + 5)).toBe(false)
    })
  })

  describe('a claim', () => {
    it('is one caller’s; the others see it running, then its answer', async () => {
      const claim = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + 60_000 }
      const states = await Promise.all(Array.from({ length: 9 }, () => ledger().claim(claim)))
      expect(states.filter(({ state }) => state === 'claimed')).toHaveLength(1)
      expect(states.filter(({ state }) => state === 'running')).toHaveLength(8)
      expect(await ledger().claim({ ...claim, digest: freshKey() })).toEqual({ state: 'other' })
      await ledger().answer(claim.key, bytes('created'))
      await ledger().answer(claim.key, bytes('something else'))
      await ledger().unclaim(claim.key)
      const expected = { state: 'answered', answer: bytes('created') }
      const kept = await ledger().claim(claim)
      expect({ ...kept, answer: 'answer' in kept ? new Uint8Array(kept.answer) : undefined }).toEqual(
        expected,
      )
      expect(await ledger().claim({ ...claim, digest: freshKey() })).toEqual({ state: 'other' })
      clock.nowMs = claim.untilMs
      expect(await ledger().claim({ ...claim, untilMs: claim.untilMs + 5 })).toEqual({ state: 'claimed' })
    })

    it('keeps an answer over a restart; a claim that ran before it is nobody’s', async () => {
      const answered = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + 60_000 }
      const ran = { ...answered, key: freshKey() }
      await ledger().claim(answered)
      await ledger().claim(ran)
      const large = new Uint8Array(300_000).map((_, n) => n % 251)
      await ledger().answer(answered.key, large)
      if (!(await restart())) return
      const kept = await ledger().claim(answered)
      expect('answer' in kept && Buffer.from(kept.answer).equals(large)).toBe(true)
      expect(await ledger().claim(ran)).toEqual({ state: 'claimed' })
    })

    it('that was being served comes to what was said of it if its process ends, and to its answer if not', async () => {
      const claim = () => ({ key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + 60_000 })
      const [lost, answered, undone] = [claim(), claim(), claim()]
      for (const one of [lost, answered, undone]) {
        await ledger().claim(one)
        await ledger().serveClaim(one.key, bytes('lost'))
        expect(await ledger().claim(one)).toEqual({ state: 'running' })
      }
      await ledger().answer(answered.key, bytes('created'))
      await ledger().unclaim(undone.key)
      for (const { key } of [answered, undone, claim()])
        await expect(ledger().serveClaim(key, bytes('lost'))).rejects.toMatchObject({
          code: 'store_unavailable',
        })
      if (!(await restart())) return
      const outcomes = await Promise.all([lost, answered, undone].map((one) => ledger().claim(one)))
      expect(
        outcomes.map((one) => ('answer' in one ? Buffer.from(one.answer).toString() : one.state)),
      ).toEqual(['lost', 'created', 'claimed'])
      expect(await ledger().claim({ ...lost, digest: freshKey() })).toEqual({ state: 'other' })
      clock.nowMs = lost.untilMs
      expect(await ledger().claim({ ...lost, untilMs: lost.untilMs + 5 })).toEqual({ state: 'claimed' })
      // What was said of the one before says nothing of this one.
      await restart()
      expect(await ledger().claim({ ...lost, untilMs: lost.untilMs + 5 })).toEqual({ state: 'claimed' })
    })

    it('that is given up can be made again, by whoever comes first', async () => {
      const claim = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + 60_000 }
      await ledger().claim(claim)
      await ledger().unclaim(claim.key)
      await ledger().unclaim(claim.key)
      expect(await ledger().claim({ ...claim, digest: freshKey() })).toEqual({ state: 'claimed' })
    })
  })

  it('frees nothing early when the clock steps an hour back and forth', async () => {
    const endsAtMs = clock.nowMs + 60_000
    const untilMs = endsAtMs
    const [counter, mark, key] = [freshKey(), freshKey(), freshKey()]
    const payer = { ...freshRedemption(), endsAtMs }
    const uses = [{ key: counter, limit: 1n, amount: 1n, endsAtMs }]
    const window = rate(1n, 60_000)
    const held = await ledger().reserve({ redemption: payer, uses })
    if (held.ok) await ledger().commit(held.id)
    const credited = { ...freshRedemption(), endsAtMs }
    await ledger().credit(credited, 5n)
    await ledger().pace([window])
    await ledger().once(mark, untilMs + 2 * 3_600_000)
    await ledger().claim({ key, digest: key, untilMs })
    await ledger().answer(key, bytes('done'))
    // Two minutes later by an hour and two minutes, then back: as after a clock that was wrong for a while.
    for (const step of [3_600_000, -3_600_000, 3_600_000, -3_600_000]) {
      clock.nowMs += step
      while ((await ledger().prune()) > 0);
      expect(await ledger().reserve({ redemption: payer, uses })).toEqual({ ok: false, failed: 0 })
      expect(await ledger().credit(credited, 5n)).toBe(false)
      expect(await ledger().once(mark, untilMs)).toBe(false)
      if (step < 0) expect(await ledger().pace([window])).toMatchObject({ ok: false })
    }
    expect(await ledger().claim({ key, digest: key, untilMs })).toMatchObject({ state: 'answered' })
  })

  it('forgets a window a day after its end however long it is, and not before', async () => {
    const endsAtMs = clock.nowMs + 60_000
    const [ending, given, endless] = [0, 1, 2].map(() => ({ ...rate(1n, 2 ** 50), endsAtMs }))
    if (ending === undefined || given === undefined || endless === undefined) throw new Error('unreachable')
    const prune = async (): Promise<number> => {
      let removed = 0
      for (let more = await ledger().prune(); more > 0; more = await ledger().prune()) removed += more
      return removed
    }
    await ledger().pace([ending])
    // What is given back in part leaves the end as it was.
    const two = { ...given, limit: 2n }
    for (let n = 0; n < 2; n++) await ledger().pace([two])
    await ledger().unpace([two])
    await ledger().pace([{ ...endless, endsAtMs: null }])
    clock.nowMs = endsAtMs + END_GRACE_MS - 1
    await prune()
    expect(await ledger().pace([ending])).toMatchObject({ ok: false })
    expect(await ledger().pace([given])).toMatchObject({ ok: false })
    // Windows are looked for in steps of some minutes.
    clock.nowMs += 3_600_000
    expect(await prune()).toBeGreaterThanOrEqual(2)
    expect(await ledger().pace([ending])).toMatchObject({ ok: true })
    expect(await ledger().pace([given])).toMatchObject({ ok: true })
    expect(await ledger().pace([endless])).toMatchObject({ ok: false })
  })

  it('forgets windows, marks and outcomes when their time is over, and no claim that runs', async () => {
    const untilMs = clock.nowMs + 1_000
    const [window, mark, done, runs] = [rate(1n, 1_000), freshKey(), freshKey(), freshKey()]
    await ledger().pace([window])
    await ledger().once(mark, untilMs)
    for (const key of [done, runs]) await ledger().claim({ key, digest: key, untilMs })
    await ledger().answer(done, bytes('done'))
    clock.nowMs += 1_000 + RATE_GRACE_MS + 1_000
    let removed = 0
    for (let more = await ledger().prune(); more > 0; more = await ledger().prune()) removed += more
    expect(removed).toBeGreaterThanOrEqual(3)
    expect(await ledger().claim({ key: runs, digest: runs, untilMs })).toEqual({ state: 'running' })
    expect(await ledger().claim({ key: done, digest: runs, untilMs })).toEqual({ state: 'claimed' })
  })
}
