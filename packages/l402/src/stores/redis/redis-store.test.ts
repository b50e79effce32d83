import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { durabilityWarnings } from './durability.ts'
import { redisStore } from './index.ts'
import { loadDriver } from './link.ts'

// Whatever needs a server is in lab/redis*.test.ts.

it('names the package that is missing', async () => {
  const missing = loadDriver(() => Promise.reject(new Error('Cannot find package')))
  await expect(missing).rejects.toMatchObject({
    code: 'store_unavailable',
    message:
      'the Redis store needs the package "@redis/client", which is not installed: npm install @redis/client',
  })
})

it.each([
  [{ url: 'redis://h', prefix: 'a{b}' }, /^the prefix of the Redis store/],
  [{ url: 'redis://h', prefix: '' }, /^the prefix of the Redis store/],
  [{ url: 'redis://h', timeoutMs: 0 }, /^the times and sizes/],
  [{ url: 'redis://h', leaseMs: 100 }, /^leaseMs: expected at least 4/],
  [{ url: 'mysql://h' }, /^the URL of the Redis server is not one/],
])('calls wrong use by its name: %j', async (options, message) => {
  const fault: unknown = await redisStore(options).catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(RangeError)
  expect((fault as Error).message).toMatch(message)
})

it('says who is not there, in time, and without the password', async () => {
  // Takes connections and never says a word.
  const mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await new Promise((resolve) => mute.once('listening', resolve))
  const address = mute.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const place = `redis://127.0.0.1:${port}/0`
  const open = (): Promise<unknown> =>
    redisStore({ url: `redis://:secret@127.0.0.1:${port}`, timeoutMs: 200 })
  const fault = {
    code: 'store_unavailable',
    message: `the Redis server ${place} cannot be used: no answer for 200 ms`,
  }
  await expect(open()).rejects.toMatchObject(fault)
  await new Promise((resolve) => mute.close(resolve))
  const refused = `the Redis server ${place} cannot be used: connect ECONNREFUSED 127.0.0.1:${port}`
  await expect(open()).rejects.toMatchObject({ code: 'store_unavailable', message: refused })
})

it('warns of a server that may lose what was sold, and of one that does not say', () => {
  const good = { appendonly: 'yes', appendfsync: 'always', maxmemoryPolicy: 'noeviction' }
  const count = (more: Partial<Record<keyof typeof good, string | undefined>>): number =>
    durabilityWarnings({ ...good, ...more }).length
  expect(count({})).toBe(0)
  expect(count({ appendonly: 'no', appendfsync: 'everysec' })).toBe(1)
  expect(count({ appendfsync: 'no' })).toBe(1)
  expect(count({ appendonly: undefined })).toBe(1)
  expect(count({ appendfsync: undefined })).toBe(1)
  expect(count({ appendfsync: 'everysec', maxmemoryPolicy: 'volatile-ttl' })).toBe(2)
})
