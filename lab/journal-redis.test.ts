import { afterAll, beforeAll, describe } from 'vitest'
import { describeJournal } from '../packages/l402/src/stores/journal-contract.test-suite.ts'
import { redisJournal } from '../packages/l402/src/stores/redis/index.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

describe.skipIf(!hasRedis)(hasRedis ? 'a journal on Redis' : 'SKIPPED: redis-server is not installed', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  describeJournal('redisJournal', async () => {
    const url = server.url
    return { journal: await redisJournal({ url }), other: () => redisJournal({ url }), durable: true }
  })
})
