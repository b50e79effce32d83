/** What the suites about Redis share: a server of their own, and ledgers that are closed after each test. */

import { afterAll, afterEach, beforeAll, vi } from 'vitest'
import type { Ledger } from '../../packages/l402/src/stores/ledger.ts'
import { type RedisStoreOptions, redisStore } from '../../packages/l402/src/stores/redis/index.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** Books on a server, for one test after the other. */
export interface RedisSuite {
  readonly server: RedisServer
  /** What the keys of the test's books begin with. */
  readonly prefix: string
  /** One more ledger on the same books. */
  reopen(options?: Partial<RedisStoreOptions>): Promise<Ledger>
  /** A ledger on new books. */
  fresh(options?: Partial<RedisStoreOptions>): Promise<Ledger>
  /** How many fields one of the hashes has. */
  count(name: string): number
  /** How many reservations are open. */
  reservations(): number
  /** Resolves once the ledger can be used. */
  works(ledger: Ledger): Promise<void>
}

/** Sets a suite up; call it where its tests are described. */
export function redisSuite(name: string): RedisSuite {
  let server: RedisServer | undefined
  let prefix = ''
  let prefixes = 0
  const open: Ledger[] = []
  const running = (): RedisServer => {
    if (server === undefined) throw new Error('no server')
    return server
  }
  const reopen = async (options: Partial<RedisStoreOptions> = {}): Promise<Ledger> => {
    const ledger = await redisStore({ url: running().url, prefix, timeoutMs: 1_000, ...options })
    open.push(ledger)
    return ledger
  }
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => running().stop())
  afterEach(async () => {
    running().resume()
    await running().start()
    for (const ledger of open.splice(0)) await ledger.close()
  })
  return {
    get server() {
      return running()
    },
    get prefix() {
      return prefix
    },
    reopen,
    async fresh(options = {}) {
      prefix = `${name}-${++prefixes}`
      return await reopen(options)
    },
    count: (hash) => Number(running().cli('HLEN', `{${prefix}}:${hash}`)),
    reservations() {
      const keys = running().cli('KEYS', `{${prefix}}:reservations:*`).split('\n')
      return keys.reduce((sum, key) => sum + (key === '' ? 0 : Number(running().cli('HLEN', key))), 0)
    },
    async works(ledger) {
      const able = (): Promise<boolean> =>
        ledger.ping().then(
          () => true,
          () => false,
        )
      await vi.waitUntil(able, { timeout: 10_000, interval: 20 })
    },
  }
}
