import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import {
  freshKey,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { reserveOp, settleOp } from '../packages/l402/src/stores/redis/batch.ts'
import { type RedisStoreOptions, redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { ledgerKeys } from '../packages/l402/src/stores/redis/keys.ts'
import { dial, loadDriver } from '../packages/l402/src/stores/redis/link.ts'
import { batchScript, openScript } from '../packages/l402/src/stores/redis/scripts.ts'
import { readRedisUrl } from '../packages/l402/src/stores/redis/target.ts'
import { startLoad } from './lib/load.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

const title = hasRedis ? 'a Redis that fails' : 'SKIPPED: redis-server is not installed'
const gone = { code: 'store_unavailable' }

describe.skipIf(!hasRedis)(title, () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  let prefix = ''
  let prefixes = 0
  const open: Ledger[] = []
  const reopen = async (options: Partial<RedisStoreOptions> = {}): Promise<Ledger> => {
    const ledger = await redisStore({ url: server.url, prefix, timeoutMs: 1_000, ...options })
    open.push(ledger)
    return ledger
  }
  const fresh = async (options: Partial<RedisStoreOptions> = {}): Promise<Ledger> => {
    prefix = `faults-${++prefixes}`
    return await reopen(options)
  }
  afterEach(async () => {
    server.resume()
    await server.start()
    for (const ledger of open.splice(0)) await ledger.close()
  })
  const count = (name: string): number => Number(server.cli('HLEN', `{${prefix}}:${name}`))
  const works = async (ledger: Ledger): Promise<void> => {
    const able = (): Promise<boolean> =>
      ledger.ping().then(
        () => true,
        () => false,
      )
    await vi.waitUntil(able, { timeout: 10_000, interval: 20 })
  }

  it('is killed under load and started again: nothing acknowledged is lost, nothing counted twice, nothing stays reserved', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const clients = startLoad(ledger, key)
    for (let kill = 0; kill < 8; kill++) {
      await pause(50 + Math.random() * 150)
      await server.kill()
      await server.start()
      await works(ledger)
    }
    const { served, faults } = await clients.stop()
    console.log(`8 kills: ${served} served, ${faults} refused`)
    expect(faults).toBeGreaterThan(0)
    expect(await usedOf(ledger, key)).toBe(BigInt(served))
    expect(count('reservations')).toBe(0)
    expect(count('owners')).toBe(1)
  })

  it('loses connections under load: the same, also for calls whose answer never came', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const clients = startLoad(ledger, key)
    for (let cut = 0; cut < 40; cut++) {
      await pause(10 + Math.random() * 20)
      server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    }
    const { served, faults } = await clients.stop()
    console.log(`40 cuts: ${served} served, ${faults} refused`)
    await works(ledger)
    expect(await usedOf(ledger, key)).toBe(BigInt(served))
    expect(count('reservations')).toBe(0)
  })

  it('stands still under load: the same', async () => {
    const ledger = await fresh({ timeoutMs: 100, pollMs: 100, leaseMs: 400 })
    await fresh()
    prefix = `faults-${prefixes - 1}`
    // Another one watches: time in which the server stood still must not make anybody dead.
    await reopen({ timeoutMs: 100, pollMs: 100, leaseMs: 400 })
    const key = freshKey()
    const held = await reserved(ledger, use(key, 10n))
    const clients = startLoad(ledger, key)
    for (let stop = 0; stop < 4; stop++) {
      await pause(100)
      server.pause()
      await pause(700)
      server.resume()
      await works(ledger)
    }
    const { served, faults } = await clients.stop()
    console.log(`4 standstills: ${served} served, ${faults} refused`)
    await ledger.serve(held.id)
    await ledger.commit(held.id)
    expect(await usedOf(ledger, key)).toBe(BigInt(served + 1))
    expect(count('reservations')).toBe(0)
  })

  it('is gone: refused at once, and usable by itself when it is back, with what was reserved', async () => {
    const ledger = await fresh()
    const key = freshKey()
    const held = await reserved(ledger, use(key, 10n))
    await server.kill()
    const since = performance.now()
    for (const call of [
      () => ledger.reserve(request(use(key, 10n))),
      () => ledger.serve(held.id),
      () => ledger.ping(),
    ])
      await expect(call()).rejects.toMatchObject(gone)
    expect(performance.now() - since).toBeLessThan(1_000)
    await server.start()
    await works(ledger)
    await ledger.serve(held.id)
    await ledger.commit(held.id)
    expect(await usedOf(ledger, key)).toBe(1n)
  })

  it('does not answer: refused within the time allowed', async () => {
    const ledger = await fresh({ timeoutMs: 300 })
    server.pause()
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
    server.cli(...spoil)
    const fault = { ...gone, message: expect.stringContaining(`(${code})`) }
    await expect(ledger.reserve(request(use(first, 10n), use(second, 10n)))).rejects.toMatchObject(fault)
    await expect(ledger.ping()).rejects.toMatchObject(fault)
    await expect(reopen()).rejects.toMatchObject(fault)
    server.cli(...mend)
    await works(ledger)
    expect(await usedOf(ledger, first)).toBe(1n)
    expect(await usedOf(ledger, second)).toBe(0n)
    await ledger.release(held.id)
    expect(await usedOf(ledger, first)).toBe(0n)
  })

  it('gets a call of a broken connection after those of the next: it is not executed', async () => {
    prefix = `faults-${++prefixes}`
    const target = readRedisUrl(server.url)
    const link = await dial(await loadDriver(), target, { timeoutMs: 1_000, onDown: () => {} })
    const keys = ledgerKeys(prefix)
    await link.run(openScript, keys, ['1', 'books'])
    const key = freshKey()
    const call = async (seq: number, batch: string): Promise<unknown> => {
      const head = ['1', 'books', 'a'.repeat(16), String(seq), '0', '0', 'nobody']
      return (await link.run<unknown[]>(batchScript, keys, [...head, Buffer.from(batch, 'latin1')]))[0]
    }
    const reservation = reserveOp(request(use(key, 10n)))(1n, true)
    expect(await call(1, '')).toBe('ok')
    expect(await call(3, settleOp('release', 1n))).toBe('ok')
    expect(await call(2, reservation)).toBe('late')
    expect(await call(3, reservation)).toBe('late')
    link.drop()
    const ledger = await reopen()
    expect(await usedOf(ledger, key)).toBe(0n)
    expect(count('reservations')).toBe(0)
  })

  it('forgets its scripts: nobody notices', async () => {
    const ledger = await fresh()
    server.cli('SCRIPT', 'FLUSH')
    expect(await usedOf(ledger, freshKey())).toBe(0n)
  })

  it('has lost the books while they were open: nothing is free', async () => {
    const ledger = await fresh()
    const key = freshKey()
    await reserved(ledger, use(key, 1n))
    const keys = server.cli('KEYS', `{${prefix}}:*`).split('\n')
    for (const name of keys) server.cli('RENAME', name, `away-${name}`)
    const fault = { ...gone, message: expect.stringContaining('are gone or are not those') }
    await expect(ledger.reserve(request(use(key, 1n)))).rejects.toMatchObject(fault)
    const others = await reopen()
    await expect(ledger.ping()).rejects.toMatchObject(fault)
    await others.close()
    for (const name of keys) server.cli('RENAME', `away-${name}`, name)
    await works(ledger)
    expect(await ledger.reserve(request(use(key, 1n)))).toEqual({ ok: false, failed: 0 })
  })

  it('holds books of a newer version, or none: refused, also when it comes to pass while they are open', async () => {
    const ledger = await fresh()
    const meta = `{${prefix}}:meta`
    server.cli('HSET', meta, 'version', '2')
    const newer = { code: 'store_incompatible', details: { version: 2, known: 1 } }
    await expect(reopen()).rejects.toMatchObject(newer)
    await expect(ledger.ping()).rejects.toMatchObject(newer)
    server.cli('HSET', meta, 'version', '1')
    await ledger.ping()
    for (const [name, ...command] of [
      ['foreign-1', 'SET', '{foreign-1}:meta', 'x'],
      ['foreign-2', 'SET', '{foreign-2}:counters', 'x'],
    ]) {
      server.cli(...command)
      await expect(redisStore({ url: server.url, prefix: name ?? '' })).rejects.toMatchObject({
        code: 'store_incompatible',
        message: expect.stringContaining('of another program'),
      })
    }
  })

  it('takes no wrong password, and no error repeats it', async () => {
    const { url } = server
    server.cli('ACL', 'SETUSER', 'seller', 'on', '>right-secret', '~*', '&*', '+@all')
    const withUser = (password: string): string => url.replace('//', `//seller:${password}@`)
    const fault: unknown = await redisStore({ url: withUser('wrong-secret') }).catch(
      (error: unknown) => error,
    )
    expect(fault).toMatchObject({ ...gone, message: expect.stringContaining('(WRONGPASS)') })
    expect(JSON.stringify([String(fault), (fault as Error).stack, (fault as Error).cause])).not.toContain(
      'secret',
    )
    const ledger = await fresh({ url: withUser('right-secret') })
    await ledger.ping()
  })

  it('warns of what may be lost', async () => {
    const warned = async (): Promise<string> => {
      const warnings: string[] = []
      await fresh({ onWarning: (warning) => warnings.push(warning) })
      return warnings.join('\n')
    }
    expect(await warned()).toBe('')
    server.cli('CONFIG', 'SET', 'appendfsync', 'everysec')
    expect(await warned()).toMatch(/^Redis runs with "appendfsync everysec".*the last second/)
    server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    server.cli('CONFIG', 'SET', 'appendonly', 'no')
    expect(await warned()).toMatch(
      /^Redis runs without an append-only file.*\n.*"maxmemory-policy allkeys-lru"/,
    )
    server.cli('ACL', 'SETUSER', 'seller', 'on', '>pw', '~*', '&*', '+@all', '-config')
    const warnings: string[] = []
    const url = server.url.replace('//', '//seller:pw@')
    await fresh({ url, onWarning: (warning) => warnings.push(warning) })
    expect(warnings[0]).toMatch(/^Redis runs without an append-only file/)
    server.cli('CONFIG', 'SET', 'appendonly', 'yes')
    server.cli('CONFIG', 'SET', 'appendfsync', 'always')
    server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  })
})
