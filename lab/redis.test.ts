import { afterAll, beforeAll, describe } from 'vitest'
import { describeLedger } from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

describe.skipIf(!hasRedis)(hasRedis ? 'redisStore' : 'SKIPPED: redis-server is not installed', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  let prefixes = 0
  describeLedger('the contract of ledgers', async (now) => {
    const prefix = `contract-${++prefixes}`
    let ledger = await redisStore({ url: server.url, prefix, now })
    return {
      ledger,
      restart: async () => {
        await ledger.close()
        ledger = await redisStore({ url: server.url, prefix, now })
        return ledger
      },
    }
  })
})
