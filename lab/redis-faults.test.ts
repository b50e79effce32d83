import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import {
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { startLoad } from './lib/load.ts'
import { startMeteredLoad } from './lib/metered-load.ts'
import { hasRedis } from './lib/redis.ts'
import { redisSuite } from './lib/redis-suite.ts'

const title = hasRedis ? 'a Redis that fails' : 'SKIPPED: redis-server is not installed'
const gone = { code: 'store_unavailable' }

describe.skipIf(!hasRedis)(title, () => {
  const suite = redisSuite('faults')
  const { fresh, reopen, works, count, reservations } = suite

  /** Whatever can be asked for a request. */
  const everyCall = (ledger: Ledger, id: bigint): readonly (() => Promise<unknown>)[] => {
    const key = freshKey()
    const rates = [{ key, limit: 1n, windowMs: 1_000 }]
    return [
      () => ledger.reserve(request(use(key, 10n))),
      () => ledger.credit(freshRedemption(), 10n),
      () => ledger.serve(id),
      () => ledger.draw(id, 1n),
      () => ledger.commit(id),
      () => ledger.release(id),
      () => ledger.read([key]),
      () => ledger.pace(rates),
      () => ledger.unpace(rates),
      () => ledger.once(key, 2 ** 42),
      () => ledger.claim({ key, digest: key, untilMs: 2 ** 42 }),
      () => ledger.answer(key, key),
      () => ledger.unclaim(key),
      () => ledger.revoke({ tokenId: key }),
      () => ledger.ping(),
    ]
  }

  it('is killed under load and started again: nothing acknowledged is lost, nothing counted twice, nothing stays reserved', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const clients = startLoad(ledger, key)
    for (let kill = 0; kill < 8; kill++) {
      await pause(50 + Math.random() * 150)
      await suite.server.kill()
      await suite.server.start()
      await works(ledger)
    }
    const { served, faults } = await clients.stop()
    console.log(`8 kills: ${served} served, ${faults} refused`)
    expect(faults).toBeGreaterThan(0)
    expect(await usedOf(ledger, key)).toBe(BigInt(served))
    expect(reservations()).toBe(0)
    expect(count('owners')).toBe(1)
  })

  it('loses connections under load: the same, also for calls whose answer never came', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const clients = startLoad(ledger, key)
    for (let cut = 0; cut < 40; cut++) {
      await pause(10 + Math.random() * 20)
      suite.server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    }
    const { served, faults } = await clients.stop()
    console.log(`40 cuts: ${served} served, ${faults} refused`)
    await works(ledger)
    expect(await usedOf(ledger, key)).toBe(BigInt(served))
    expect(reservations()).toBe(0)
  })

  it.each([
    ['killed', 5],
    ['cut off', 25],
  ] as const)(
    'is %s under load: no msat is lost or counted twice, no claim executed twice or stuck',
    async (how, times) => {
      const ledger = await fresh()
      const payer = freshRedemption()
      const clients = startMeteredLoad(ledger, payer)
      for (let time = 0; time < times; time++) {
        await pause(20 + Math.random() * 60)
        if (how === 'cut off') suite.server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
        else {
          await suite.server.kill()
          await suite.server.start()
        }
        await works(ledger)
      }
      const { creditedMsat, spentMsat, faults, executed } = await clients.stop()
      console.log(
        `${how} ${times} times: ${spentMsat} msat spent, ${executed.length} claims, ${faults} refused`,
      )
      expect(faults).toBeGreaterThan(0)
      expect(await ledger.read([payer.tokenId])).toEqual([
        { used: spentMsat, credited: creditedMsat, lost: 0n },
      ])
      expect(executed.every((count) => count === 1)).toBe(true)
      expect([reservations(), count('holds'), count('answers')]).toEqual([0, 0, executed.length])
    },
  )

  it('stands still under load: the same', async () => {
    const ledger = await fresh({ timeoutMs: 100, pollMs: 100, leaseMs: 400 })
    // Another one watches: time in which the server stood still must not make anybody dead.
    await reopen({ timeoutMs: 100, pollMs: 100, leaseMs: 400 })
    const key = freshKey()
    const held = await reserved(ledger, use(key, 10n))
    const clients = startLoad(ledger, key)
    for (let stop = 0; stop < 4; stop++) {
      await pause(100)
      suite.server.pause()
      await pause(700)
      suite.server.resume()
      await works(ledger)
    }
    const { served, faults } = await clients.stop()
    console.log(`4 standstills: ${served} served, ${faults} refused`)
    await ledger.serve(held.id)
    await ledger.commit(held.id)
    expect(await usedOf(ledger, key)).toBe(BigInt(served + 1))
    expect(reservations()).toBe(0)
  })

  it('is gone: refused at once, and usable by itself when it is back, with what was reserved', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const held = await reserved(ledger, use(key, 10n))
    await suite.server.kill()
    const since = performance.now()
    for (const call of everyCall(ledger, held.id)) await expect(call()).rejects.toMatchObject(gone)
    expect(performance.now() - since).toBeLessThan(1_000)
    await suite.server.start()
    await works(ledger)
    await ledger.serve(held.id)
    await ledger.commit(held.id)
    expect(await usedOf(ledger, key)).toBe(1n)
  })

  it('does not answer: refused within the time allowed', async () => {
    const ledger = await fresh({ timeoutMs: 300 })
    suite.server.pause()
    const since = performance.now()
    await expect(ledger.reserve(request(use(freshKey(), 10n)))).rejects.toMatchObject(gone)
    await expect(ledger.ping()).rejects.toMatchObject(gone)
    const waited = performance.now() - since
    expect(waited).toBeLessThan(1_500)
    const closing = ledger.close()
    await closing
    expect(performance.now() - since).toBeLessThan(3_000)
  })

  it.each([
    ['full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0'], 'OOM'],
    ['a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], 'READONLY'],
    [
      'short of replicas',
      ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
      ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
      'NOREPLICAS',
    ],
  ])('is %s: unavailable, with the reason, and nothing is half done', async (_, spoil, mend, code) => {
    const ledger = await fresh()
    const [first, second] = [freshKey(), freshKey()]
    const held = await reserved(ledger, use(first, 10n))
    const keys = (): string => suite.server.cli('KEYS', `{${suite.prefix}}:*`).split('\n').sort().join(' ')
    const before = keys()
    suite.server.cli(...spoil)
    const fault = { ...gone, message: expect.stringContaining(`(${code})`) }
    await expect(ledger.reserve(request(use(first, 10n), use(second, 10n)))).rejects.toMatchObject(fault)
    for (const call of everyCall(ledger, held.id)) await expect(call()).rejects.toMatchObject(fault)
    await expect(reopen()).rejects.toMatchObject(fault)
    suite.server.cli(...mend)
    await works(ledger)
    expect(keys()).toBe(before)
    expect(await usedOf(ledger, first)).toBe(1n)
    expect(await usedOf(ledger, second)).toBe(0n)
    await ledger.release(held.id)
    expect(await usedOf(ledger, first)).toBe(0n)
  })

  it('forgets its scripts: nobody notices', async () => {
    const ledger = await fresh()
    suite.server.cli('SCRIPT', 'FLUSH')
    expect(await usedOf(ledger, freshKey())).toBe(0n)
  })
})
