import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { hasRedis, type RedisServer, startRedis } from './lib/redis.ts'

describe.skipIf(!hasRedis)(
  hasRedis ? 'two ledgers on one Redis' : 'SKIPPED: redis-server is not installed',
  () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis()
      server.cli('ACL', 'SETUSER', 'deaf', 'on', '>pw', '~*', '+@all', '-subscribe')
    })
    afterAll(() => server.stop())

    it.each([
      ['by announcement', 'default', 60_000],
      ['by polling', 'deaf', 300],
    ])('tell each other of revocations within a second, %s (protocol §4)', async (how, user, pollMs) => {
      const url = user === 'deaf' ? server.url.replace('//', '//deaf:pw@') : server.url
      const options = { url, prefix: `revocations-${user}`, pollMs, leaseMs: 4 * pollMs }
      const first = await redisStore(options)
      const second = await redisStore(options)
      const times: number[] = []
      try {
        // The subscription is made in the background.
        if (user === 'default')
          await vi.waitUntil(() =>
            server.cli('PUBSUB', 'NUMSUB', `{${options.prefix}}:announcements`).endsWith('2'),
          )
        for (let n = 0; n < 5; n++) {
          const redemption = freshRedemption()
          const epoch = second.revocationEpoch
          const at = performance.now()
          await first.revoke({ paymentHash: redemption.paymentHash })
          await vi.waitUntil(() => second.isRevoked(redemption), { timeout: 1_000, interval: 1 })
          times.push(performance.now() - at)
          expect(second.revocationEpoch).toBe(epoch + 1)
        }
        console.log(
          `a revocation is seen by the other ${how} after ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`,
        )
        const third = await redisStore(options)
        expect(third.revocationEpoch).toBe(5)
        await third.close()
      } finally {
        await first.close()
        await second.close()
      }
    })

    it('share limits, refuse what the other revoked, and end each other’s reservations by id', async () => {
      const options = { url: server.url, prefix: 'shared' }
      const [first, second] = [await redisStore(options), await redisStore(options)]
      const key = freshKey()
      const asked = Array.from({ length: 60 }, (_, i) =>
        (i % 2 ? first : second).reserve(request(use(key, 20n))),
      )
      const ids = (await Promise.all(asked)).flatMap((outcome) => (outcome.ok ? [outcome.id] : []))
      expect(new Set(ids).size).toBe(20)
      await Promise.all(ids.map((id) => second.release(id)))
      expect(await usedOf(first, key)).toBe(0n)
      const redemption = freshRedemption()
      await first.revoke({ tokenId: redemption.tokenId })
      expect(await second.reserve({ redemption, uses: [use(key, 10n)] })).toEqual({
        ok: false,
        failed: 'revoked',
      })
      await reserved(first, use(key, 10n))
      await reserved(second, use(key, 10n))
      await first.close()
      expect(await usedOf(second, key)).toBe(1n)
      await second.close()
      expect(server.cli('HLEN', '{shared}:owners')).toBe('0')
      expect(server.cli('HLEN', '{shared}:counters')).toBe('0')
    })

    it('know thousands of revocations, over a restart', async () => {
      const options = { url: server.url, prefix: 'many' }
      const first = await redisStore(options)
      const redemptions = Array.from({ length: 2_500 }, freshRedemption)
      await Promise.all(redemptions.map(({ tokenId }) => first.revoke({ tokenId })))
      await first.close()
      const second = await redisStore(options)
      expect(redemptions.every((redemption) => second.isRevoked(redemption))).toBe(true)
      await second.close()
    })
  },
)
