import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import { redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { type Child, startLedgerChild } from './lib/children.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

const title = hasRedis ? 'processes on one Redis' : 'SKIPPED: redis-server is not installed'
const counter = (n: number): Uint8Array => new Uint8Array(32).fill(n)
/** That of the processes, too. */
const LEASE_MS = 1_000
const redemption = { paymentHash: counter(9), tokenId: counter(9), service: 'weather' }

describe.skipIf(!hasRedis)(title, () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  let prefix = ''
  let prefixes = 0
  const children: Child[] = []
  const open: Ledger[] = []
  const start = (mode: string): Child => {
    const child = startLedgerChild(mode, server.url, prefix)
    children.push(child)
    return child
  }
  const fresh = async (): Promise<Ledger> => {
    prefix = `processes-${++prefixes}`
    const ledger = await redisStore({ url: server.url, prefix, pollMs: 100, leaseMs: LEASE_MS })
    open.push(ledger)
    return ledger
  }
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill()
    for (const ledger of open.splice(0)) await ledger.close()
  })
  const count = (name: string): number => Number(server.cli('HLEN', `{${prefix}}:${name}`))
  const usedOf = async (ledger: Ledger, ...counters: readonly number[]): Promise<number[]> =>
    (await ledger.read(counters.map(counter))).map(({ used }) => Number(used))
  const patiently = { timeout: 20_000, interval: 20 }

  it('admits exactly as many as the limit when several processes ask for more (rule 2)', async () => {
    const ledger = await fresh()
    const racers = Array.from({ length: 4 }, () => start('burst'))
    await Promise.all(racers.map((racer) => racer.said(1)))
    for (const racer of racers) racer.process.stdin?.write('go\n')
    expect(await Promise.all(racers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
    const admitted = racers.reduce((sum, { lines }) => sum + Number(lines[1]?.replace('admitted ', '')), 0)
    expect(racers.flatMap(({ lines }) => lines)).not.toContain('exceeded')
    expect(await usedOf(ledger, 1, 2)).toEqual([admitted, admitted])
    expect(admitted).toBeLessThanOrEqual(100)
    // Places given back late may find nobody left to take them; whoever asks now gets exactly those.
    const uses = [{ key: counter(1), limit: 100n, amount: 1n }]
    const late = await Promise.all(Array.from({ length: 100 }, () => ledger.reserve({ redemption, uses })))
    expect(late.filter(({ ok }) => ok)).toHaveLength(100 - admitted)
    expect(count('owners')).toBe(1)
  })

  it('loses nothing that was being served and keeps no reservation of the killed (rules 3 and 9)', async () => {
    const ledger = await fresh()
    let before = [0, 0, 0, 0]
    for (let round = 0; round < 5; round++) {
      const churners = [start('churn'), start('churn')]
      for (const churner of churners) {
        await churner.said(1 + Math.floor(Math.random() * 400))
        await churner.kill()
      }
      await vi.waitUntil(() => count('owners') === 1, patiently)
      expect(server.cli('KEYS', `{${prefix}}:reservations:*`)).toBe('')
      const lines = churners.flatMap((churner) => churner.lines)
      const used = await usedOf(ledger, 1, 2, 3, 4)
      for (const n of [1, 2, 3]) {
        const delta = (used[n - 1] ?? 0) - (before[n - 1] ?? 0)
        expect(delta).toBeGreaterThanOrEqual(lines.filter((line) => line === `a${n}`).length)
        expect(delta).toBeLessThanOrEqual(lines.filter((line) => line === `s${n}`).length)
      }
      // Every request used one of the first three and the fourth, in one step.
      expect(used[3]).toBe((used[0] ?? 0) + (used[1] ?? 0) + (used[2] ?? 0))
      before = used
    }
  })

  it('gives back what a process held when that process dies, and not before', async () => {
    const ledger = await fresh()
    const owners = (): readonly string[] => server.cli('HKEYS', `{${prefix}}:owners`).split('\n')
    const others = new Set(owners())
    const doomed = start('hold')
    await doomed.said(1)
    const name = owners().find((each) => !others.has(each)) ?? ''
    const steady = start('hold')
    await steady.said(1)
    // When it was last known not yet to have shown that it lives: its lease, which that begins, ends no sooner.
    const shown = (): string => server.cli('HGET', `{${prefix}}:owners`, name)
    const before = shown()
    let quietAt = performance.now()
    for (let at = quietAt; shown() === before; at = performance.now()) {
      quietAt = at
      await pause(1)
    }
    doomed.process.kill('SIGKILL')
    await vi.waitUntil(async () => (await usedOf(ledger, 1))[0] === 1, patiently)
    expect(performance.now() - quietAt).toBeGreaterThanOrEqual(LEASE_MS)
    await steady.kill()
    await vi.waitUntil(async () => (await usedOf(ledger, 1))[0] === 0, patiently)
  })

  it('serves nothing for free in a process that was asleep for longer than its lease', async () => {
    const ledger = await fresh()
    const sleeper = start('nap')
    await sleeper.said(1)
    sleeper.process.kill('SIGSTOP')
    await vi.waitUntil(async () => (await usedOf(ledger, 1))[0] === 0, patiently)
    sleeper.process.kill('SIGCONT')
    sleeper.process.stdin?.write('go\n')
    expect(await sleeper.ended).toBe(0)
    expect(sleeper.lines).toEqual([
      'held',
      'refused: the reservation has lapsed: it was given back, so nothing may be served for it',
      'reserved',
    ])
    // What it was serving had counted, for good; what it reserved when it was awake again, it gave back.
    expect(await usedOf(ledger, 1, 2, 3)).toEqual([0, 1, 0])
  })

  it('finishes what was asked before a process ends, and keeps no process from ending', async () => {
    const ledger = await fresh()
    const child = start('leave')
    expect(await child.ended).toBe(0)
    expect(child.lines).toEqual(['done'])
    expect(await usedOf(ledger, 1)).toEqual([1])
  })
})
