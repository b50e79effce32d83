import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { CounterUse, Ledger } from '../packages/l402/src/stores/ledger.ts'
import {
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { END_GRACE_MS } from '../packages/l402/src/stores/lib/ends.ts'
import { RATE_GRACE_MS } from '../packages/l402/src/stores/lib/rate-log.ts'
import { settlement } from '../packages/l402/src/stores/lib/settlement.ts'
import type { Write } from '../packages/l402/src/stores/redis/batch.ts'
import { announcements, ledgerKeys } from '../packages/l402/src/stores/redis/keys.ts'
import { dial, loadDriver } from '../packages/l402/src/stores/redis/link.ts'
import { claimOp, reserveOp, serveOp } from '../packages/l402/src/stores/redis/operations.ts'
import { Session } from '../packages/l402/src/stores/redis/session.ts'
import { readRedisUrl } from '../packages/l402/src/stores/redis/target.ts'
import { hasRedis } from './lib/redis.ts'
import { redisSuite } from './lib/redis-suite.ts'

const title = hasRedis ? 'housekeeping on Redis' : 'SKIPPED: redis-server is not installed'
const HOUR_MS = 3_600_000
const MAX = 2n ** 63n - 1n

describe.skipIf(!hasRedis)(title, () => {
  const suite = redisSuite('housekeeping')
  const { fresh, reopen, works, count, reservations } = suite
  const clock = { nowMs: Date.UTC(2026, 0, 1) }
  const now = (): number => clock.nowMs
  const members = (name: string): number => Number(suite.server.cli('ZCARD', `{${suite.prefix}}:${name}`))
  const pruneAll = async (ledger: Ledger): Promise<number[]> => {
    const removed: number[] = []
    for (let more = await ledger.prune(); more > 0; more = await ledger.prune()) removed.push(more)
    return removed
  }

  /** A process that asks this once, and is never heard of again. */
  const dying = async (...writes: readonly ((session: Session) => Write)[]): Promise<void> => {
    const { server, prefix } = suite
    const target = readRedisUrl(server.url)
    const instance = server.cli('HGET', `{${prefix}}:meta`, 'instance')
    const channel = announcements(prefix)
    const session = new Session({ target, prefix, keys: ledgerKeys(prefix), channel, instance })
    const link = await dial(await loadDriver(), target, { timeoutMs: 5_000, onDown: () => {} })
    const reply = await session.call(
      link,
      writes.map((write) => write(session)),
      { known: 0, nowMs: now() },
    )
    link.drop()
    expect(reply).toHaveProperty('answers')
  }

  it('removes a bounded number of each kind at a time, and in the end all', async () => {
    const ledger = await fresh({ now })
    const untilMs = clock.nowMs + 1_000
    const endsAtMs = untilMs - END_GRACE_MS
    await Promise.all(
      Array.from({ length: 2_500 }, async (_, n) => {
        const uses = [{ ...use(freshKey(), 5n), endsAtMs }]
        const outcome = await ledger.reserve({ redemption: freshRedemption({ endsAtMs }), uses })
        if (outcome.ok) await ledger.commit(outcome.id)
        await ledger.once(freshKey(), untilMs)
        await ledger.pace([{ key: freshKey(), limit: 3n, windowMs: 1 }])
        if (n % 5 !== 0) return
        const key = freshKey()
        await ledger.claim({ key, digest: key, untilMs })
        await ledger.answer(key, new Uint8Array(100))
      }),
    )
    const hashes = ['counters', 'redemptions', 'windows', 'claims', 'answers']
    expect(hashes.map(count)).toEqual([2_500, 2_500, 2_500, 500, 500])
    clock.nowMs += 1_001 + RATE_GRACE_MS
    expect(await pruneAll(ledger)).toEqual([4_200, 4_200, 2_100])
    expect(suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n').sort()).toEqual([
      `{${suite.prefix}}:meta`,
      `{${suite.prefix}}:owners`,
    ])
  })

  it('passes over what is held, however much it is, and comes back to it', async () => {
    const ledger = await fresh({ now })
    const endsAtMs = clock.nowMs
    const open = await Promise.all(
      Array.from({ length: 2_300 }, () => reserved(ledger, { ...use(freshKey(), 5n), endsAtMs })),
    )
    await ledger.commit((await reserved(ledger, { ...use(freshKey(), 5n), endsAtMs: endsAtMs + 1 })).id)
    clock.nowMs += END_GRACE_MS + 1
    const removed = [await ledger.prune(), await ledger.prune(), await ledger.prune(), await ledger.prune()]
    expect(removed).toEqual([0, 0, 1, 0])
    expect([count('counters'), count('holds')]).toEqual([2_300, 2_300])
    await Promise.all(open.map(({ id }) => ledger.commit(id)))
    for (let call = 0; call < 4; call++) await ledger.prune()
    expect([count('counters'), count('holds'), members('counter-ends')]).toEqual([0, 0, 0])
  })

  it('forgets what is over on a server whose memory is full, and so makes room', async () => {
    const ledger = await fresh({ now })
    const untilMs = clock.nowMs + 1_000
    await Promise.all(Array.from({ length: 300 }, () => ledger.once(freshKey(), untilMs)))
    clock.nowMs = untilMs + RATE_GRACE_MS
    suite.server.cli('CONFIG', 'SET', 'maxmemory', '1')
    await expect(ledger.once(freshKey(), clock.nowMs)).rejects.toThrow('(OOM)')
    expect(await ledger.prune()).toBe(300)
    suite.server.cli('CONFIG', 'SET', 'maxmemory', '0')
    await ledger.ping()
  })

  it('ends what the dead held, a part at a time, and lets others have what they were doing', async () => {
    // Longer than all that is asked before it ends, on a slow machine too.
    const options = { now, pollMs: 100, leaseMs: 4_000 }
    const [ledger] = [await fresh(options), await reopen(options)]
    const [key, served] = [freshKey(), freshKey()]
    const claim = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + HOUR_MS }
    const hold = (counter: Uint8Array): ((session: Session) => Write) => {
      const say = reserveOp(request({ ...use(counter, 10_000n), endsAtMs: clock.nowMs }))
      return (session) => {
        const id = session.takeId()
        return (batch) => {
          say(batch, id, true)
          if (counter === served) serveOp(id)(batch)
        }
      }
    }
    await dying(...Array.from({ length: 2_600 }, () => hold(key)), hold(served), (session) => {
      const id = session.takeId()
      return (batch) => claimOp(claim)(batch, id)
    })
    expect(await usedOf(ledger, key)).toBe(2_600n)
    expect(await ledger.claim(claim)).toEqual({ state: 'running' })
    // Never forgotten while somebody may be at it, although its time is over.
    clock.nowMs += HOUR_MS + RATE_GRACE_MS
    await pruneAll(ledger)
    expect(await ledger.claim(claim)).toEqual({ state: 'running' })
    await vi.waitUntil(() => count('owners') === 2, { timeout: 20_000, interval: 20 })
    expect(await ledger.read([key, served])).toEqual([{ used: 0n }, { used: 1n }])
    expect([reservations(), count('holds')]).toEqual([0, 0])
    expect(await ledger.claim(claim)).toEqual({ state: 'claimed' })
    await ledger.unclaim(claim.key)
    expect([count('claims'), members('claim-ends')]).toEqual([0, 0])
  })

  it('forgets a claim of the dead that nobody makes again', async () => {
    const options = { now, pollMs: 100, leaseMs: 400 }
    const ledger = await fresh(options)
    const claim = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + HOUR_MS }
    await dying((session) => (batch) => claimOp(claim)(batch, session.takeId()))
    await vi.waitUntil(() => count('owners') === 1, { timeout: 20_000, interval: 20 })
    clock.nowMs += HOUR_MS + RATE_GRACE_MS
    expect(await ledger.prune()).toBe(1)
    expect([count('claims'), members('claim-ends')]).toEqual([0, 0])
  })

  it('frees nothing early when a clock steps an hour back and forth', async () => {
    const ledger = await fresh({ now })
    const ahead = await reopen({ now: () => clock.nowMs + HOUR_MS })
    const endsAtMs = clock.nowMs
    const counter = { ...use(freshKey(), 1n), endsAtMs }
    const payer = freshRedemption({ endsAtMs })
    const window = { key: freshKey(), limit: 1n, windowMs: HOUR_MS }
    const mark = freshKey()
    const claim = { key: freshKey(), digest: freshKey(), untilMs: clock.nowMs + 3 * HOUR_MS }
    await ledger.commit((await reserved(ledger, counter)).id)
    await ledger.credit(payer, 5n)
    await ledger.pace([window])
    await ledger.once(mark, claim.untilMs)
    await ledger.claim(claim)
    await ledger.answer(claim.key, new Uint8Array([1]))
    for (const step of [HOUR_MS, -HOUR_MS, -HOUR_MS, HOUR_MS]) {
      clock.nowMs += step
      for (const each of [ledger, ahead]) {
        await pruneAll(each)
        expect(await each.reserve(request(counter))).toEqual({ ok: false, failed: 0 })
        expect(await each.credit(payer, 5n)).toBe(false)
        expect(await each.once(mark, claim.untilMs)).toBe(false)
        expect(await each.claim(claim)).toMatchObject({ state: 'answered' })
      }
      if (step < 0) expect(await ledger.pace([window])).toMatchObject({ ok: false, failed: 0 })
    }
  })

  it('remembers large outcomes bit by bit, and hands out many at once', async () => {
    const [first, second] = [await fresh(), await reopen()]
    const untilMs = Date.now() + HOUR_MS
    const outcomes = Array.from({ length: 24 }, (_, n) => {
      const key = freshKey()
      const answer = new Uint8Array(2 ** 20).map((_, i) => (i * (n + 1) + (i >> 8)) % 256)
      return { claim: { key, digest: key, untilMs }, answer }
    })
    await Promise.all(
      outcomes.map(async ({ claim, answer }) => {
        expect(await first.claim(claim)).toEqual({ state: 'claimed' })
        await first.answer(claim.key, answer)
      }),
    )
    const kept = await Promise.all(outcomes.map(({ claim }) => second.claim(claim)))
    for (const [n, { answer }] of outcomes.entries()) {
      const outcome = kept[n]
      expect(outcome?.state === 'answered' && Buffer.from(outcome.answer).equals(answer)).toBe(true)
    }
    await works(second)
  })

  it('counts to 2^63−1 exactly, whatever the amounts', async () => {
    const ledger = await fresh()
    const amount = fc.oneof(
      fc.bigInt(1n, 20n),
      fc.bigInt(10n ** 14n, 10n ** 17n),
      fc.bigInt(MAX - 20n, MAX),
      fc.bigInt(1n, MAX),
    )
    await fc.assert(
      fc.asyncProperty(
        amount,
        amount,
        amount,
        amount,
        fc.boolean(),
        async (credit, limit, estimate, actual, draws) => {
          const payer = freshRedemption()
          const budget = freshKey()
          const uses: CounterUse[] = [
            { key: budget, limit, amount: estimate, metered: true },
            { key: payer.tokenId, limit: 'credited', amount: estimate, metered: true },
          ]
          await ledger.credit(payer, credit)
          const outcome = await ledger.reserve({ redemption: payer, uses })
          if (estimate > limit) return void expect(outcome).toEqual({ ok: false, failed: 0 })
          if (!outcome.ok || estimate > credit) return void expect(outcome).toEqual({ ok: false, failed: 1 })
          expect(outcome.states).toEqual([{ used: estimate }, { used: estimate, credited: credit }])
          const rooms = [limit, credit].map((most) => ({ used: estimate, limit: most }))
          const { change, lost } = settlement(estimate, actual, rooms)
          if (draws) expect(await ledger.draw(outcome.id, actual)).toBe(lost === 0n)
          await ledger.commit(outcome.id, actual)
          const used = estimate + change
          expect(await ledger.read([budget, payer.tokenId])).toEqual([
            { used },
            { used, credited: credit, lost },
          ])
        },
      ),
      { numRuns: 400 },
    )
  })
})
