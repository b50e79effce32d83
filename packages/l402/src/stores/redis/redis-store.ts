import { randomBytes } from 'node:crypto'
import { isL402Error } from '../../core/errors.ts'
import type { Ledger } from '../ledger.ts'
import type { BatchListener } from '../lib/batches.ts'
import { durabilityWarnings, readSettings } from './durability.ts'
import { incompatible, unavailable } from './faults.ts'
import { announcements, ledgerKeys } from './keys.ts'
import { Line } from './line.ts'
import { dial, type Link, loadDriver, ServerRefusal, textOf } from './link.ts'
import { RedisLedger } from './redis-ledger.ts'
import { openScript, STORE_VERSION } from './scripts.ts'
import { type RedisTarget, readRedisUrl } from './target.ts'

/** Where the books are, and how patient they are. */
export interface RedisStoreOptions {
  /** `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…` for TLS. */
  readonly url: string
  /** What the keys begin with, as a hash tag: one ledger for each prefix. Default `turnpike`. */
  readonly prefix?: string
  /** What whoever runs this should know: what the server may lose, and that a lease was lost. Default: nobody is told. */
  readonly onWarning?: (message: string) => void
  /** Milliseconds since 1970, for what ends and for what is recorded; default `Date.now`. */
  readonly now?: () => number
  /** How long an answer of the server is waited for; default 3,000. */
  readonly timeoutMs?: number
  /** How often this process shows that it lives, and looks for revocations and for the dead; default 300. */
  readonly pollMs?: number
  /** How long a process may be silent before what it holds is given back; default 5,000, at least 4 × `pollMs`. */
  readonly leaseMs?: number
  /** Most operations in one call of the script; default 128. */
  readonly maxBatch?: number
  /** Told of every batch that was written or failed; must not throw. */
  readonly onBatch?: BatchListener
}

/**
 * Books on a Redis server, which many processes on many machines may share. Calls made at about the same time are
 * one script there. As durable as the server: run it with `appendonly yes`, `appendfsync always` and
 * `maxmemory-policy noeviction`; `onWarning` says what else may be lost.
 *
 * Needs the package `@redis/client`. Throws `store_unavailable` when the server cannot be used, `store_incompatible`
 * when what stands under the prefix is of another program or of a newer version.
 *
 * @example
 * const ledger = await redisStore({ url: 'redis://127.0.0.1:6379' })
 */
export async function redisStore(options: RedisStoreOptions): Promise<Ledger> {
  const { prefix = 'turnpike', onWarning = () => {}, now = Date.now } = options
  const { timeoutMs = 3_000, pollMs = 300, leaseMs = 5_000, maxBatch = 128 } = options
  const target = readRedisUrl(options.url)
  const keys = ledgerKeys(prefix)
  for (const ms of [timeoutMs, pollMs, leaseMs, maxBatch])
    if (!(ms > 0)) throw new RangeError('the times and sizes of the Redis store: expected numbers above 0')
  if (leaseMs < 4 * pollMs) throw new RangeError('leaseMs: expected at least 4 × pollMs')
  const driver = await loadDriver()

  let ledger: RedisLedger | undefined
  const line = new Line({
    dial: (onDown) => dial(driver, target, { timeoutMs, onDown }),
    onUp: () => ledger?.up(),
    onDown: (error) => ledger?.down(error),
  })
  const channel = announcements(prefix)
  // Ears only: without them news is as old as the polling lets it be.
  const ears = new Line({
    dial: async (onDown) => {
      const link = await dial(driver, target, { timeoutMs, onDown })
      link.hold(false)
      try {
        await link.subscribe(channel, () => ledger?.poll())
      } catch (error) {
        link.drop()
        throw error
      }
      return link
    },
    onUp: () => {},
    onDown: (error) => {
      if (!(error instanceof ServerRefusal) || !error.message.startsWith('NOPERM')) return
      ears.drop()
      onWarning(
        `Redis does not let this user listen to ${channel}: revocations by others are seen by polling`,
      )
    },
  })
  try {
    const link = await line.open()
    const instance = await openBooks(link, { target, prefix, keys })
    for (const warning of durabilityWarnings(await readSettings(link))) onWarning(warning)
    const books = { target, prefix, keys, channel, instance }
    ledger = new RedisLedger(books, line, {
      now,
      pollMs,
      leaseMs,
      maxBatch,
      onWarning,
      onBatch: options.onBatch,
      onClose: () => ears.drop(),
    })
    await ledger.start()
  } catch (error) {
    line.drop()
    throw isL402Error(error) ? error : unavailable(target, error)
  }
  ears.keepTrying()
  return ledger
}

/** Finds the books or makes empty ones; answers their name. */
async function openBooks(
  link: Link,
  { target, prefix, keys }: { target: RedisTarget; prefix: string; keys: readonly string[] },
): Promise<string> {
  const known = String(STORE_VERSION)
  const name = randomBytes(16).toString('hex')
  try {
    const [version, instance] = (await link.run(openScript, keys, [known, name])).map(textOf)
    if (version === known && instance) return instance
    throw incompatible(target, prefix, version ?? '', STORE_VERSION)
  } catch (error) {
    if (error instanceof ServerRefusal && error.message.startsWith('WRONGTYPE'))
      throw incompatible(target, prefix, '', STORE_VERSION)
    throw error
  }
}
