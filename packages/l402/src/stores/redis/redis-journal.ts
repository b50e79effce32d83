import { isL402Error, L402Error } from '../../core/errors.ts'
import { PendingChange, type Shelf, type ShelfEntry, type ShelfView } from '../journal/shelf.ts'
import { openJournal } from '../journal/shelf-journal.ts'
import type { Journal } from '../journal.ts'
import { unavailable } from './faults.ts'
import { ledgerKeys } from './keys.ts'
import { dial, type Link, loadDriver } from './link.ts'
import { type RedisTarget, readRedisUrl } from './target.ts'

/** Where the journal is, and how patient it is. */
export interface RedisJournalOptions {
  /** As of `redisStore`. */
  readonly url: string
  /** The ledger's. Default `turnpike`. */
  readonly prefix?: string
  /** How long an answer of the server is waited for; default 3,000. */
  readonly timeoutMs?: number
}

/**
 * The journal beside a ledger on Redis, under keys of its own, with a connection of its own that is opened again when it
 * is lost. As durable as the server. Throws like `redisStore`.
 */
export async function redisJournal(options: RedisJournalOptions): Promise<Journal> {
  const { prefix = 'turnpike', timeoutMs = 3_000 } = options
  const target = readRedisUrl(options.url)
  // Refuses what cannot be a prefix.
  ledgerKeys(prefix)
  const driver = await loadDriver()
  const open = (onDown: () => void): Promise<Link> => dial(driver, target, { timeoutMs, onDown })
  return openJournal(new RedisShelf({ open, target, prefix }), `the Redis server ${target.place}`)
}

/** How often a change is tried that others were faster than. */
const TRIES = 200

interface RedisShelfOptions {
  readonly open: (onDown: () => void) => Promise<Link>
  readonly target: RedisTarget
  readonly prefix: string
}

/**
 * A hash of values and a sorted set of their names. Whoever changes something changes the version too, and changes
 * nothing if somebody else has done so since it began to read.
 */
class RedisShelf implements Shelf {
  readonly #options: RedisShelfOptions
  readonly #keys: { readonly values: string; readonly names: string; readonly version: string }
  #link: Link | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(options: RedisShelfOptions) {
    this.#options = options
    // The same hash tag as the ledger's, so that a cluster keeps them together.
    const key = (name: string): string => `{${options.prefix}}:${name}`
    this.#keys = { values: key('journal'), names: key('journal-names'), version: key('journal-version') }
  }

  read<T>(work: (view: ShelfView) => Promise<T>): Promise<T> {
    return this.#alone((link) => work(this.#view(link)))
  }

  change<T>(work: (change: PendingChange) => Promise<T>): Promise<T> {
    return this.#alone(async (link) => {
      for (let attempt = 0; attempt < TRIES; attempt++) {
        await link.command(['WATCH', this.#keys.version])
        const change = new PendingChange(this.#view(link))
        let result: T
        try {
          result = await work(change)
        } catch (error) {
          await link.command(['UNWATCH'])
          throw error
        }
        if (change.writes.size === 0) {
          await link.command(['UNWATCH'])
          return result
        }
        if (await this.#write(link, change.writes)) return result
        await new Promise<void>((resolve) => {
          setTimeout(resolve, Math.random() * Math.min(50, 2 * attempt))
        })
      }
      throw new L402Error('store_unavailable', 'the journal is changed by too many at once')
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    this.#link?.drop()
  }

  /** Whether it was written: not if the version has changed. */
  async #write(link: Link, writes: ReadonlyMap<string, string | null>): Promise<boolean> {
    const { values, names, version } = this.#keys
    const put = [...writes].filter((entry): entry is [string, string] => entry[1] !== null)
    const removed = [...writes].flatMap(([name, value]) => (value === null ? [name] : []))
    const commands = [
      ['MULTI'],
      ['INCR', version],
      ...(put.length === 0
        ? []
        : [
            ['HSET', values, ...put.flat()],
            ['ZADD', names, ...put.flatMap(([name]) => ['0', name])],
          ]),
      ...(removed.length === 0
        ? []
        : [
            ['HDEL', values, ...removed],
            ['ZREM', names, ...removed],
          ]),
      ['EXEC'],
    ]
    // Sent at once: nobody waits for "QUEUED". What the server refuses makes EXEC fail.
    const answers = await Promise.allSettled(commands.map((command) => link.command(command)))
    const last = answers.at(-1)
    if (last === undefined || last.status === 'rejected') throw last?.reason
    if (last.value === null) return false
    const failed = (last.value as readonly unknown[]).find((each) => each instanceof Error)
    if (failed !== undefined) throw failed
    return true
  }

  #view(link: Link): ShelfView {
    const { values, names } = this.#keys
    return {
      get: async (name) => ((await link.command(['HGET', values, name])) as string | null) ?? undefined,
      async scan({ from, to, limit, reverse = false }) {
        const bounds = reverse ? [`(${to}`, `[${from}`] : [`[${from}`, `(${to}`]
        const command = reverse ? 'ZREVRANGEBYLEX' : 'ZRANGEBYLEX'
        const found = (await link.command([command, names, ...bounds, 'LIMIT', '0', `${limit}`])) as string[]
        if (found.length === 0) return []
        const texts = (await link.command(['HMGET', values, ...found])) as (string | null)[]
        // Outside of a change somebody may have removed one meanwhile.
        return found.flatMap((name, index): ShelfEntry[] => {
          const text = texts[index]
          return text === null || text === undefined ? [] : [[name, text]]
        })
      },
    }
  }

  /** One after the other: what is watched is the connection's. */
  #alone<T>(work: (link: Link) => Promise<T>): Promise<T> {
    const mine = this.#last.then(async () => {
      if (this.#closed) throw new L402Error('store_unavailable', 'the journal is closed')
      try {
        const link = await this.#open()
        link.hold(true)
        try {
          return await work(link)
        } finally {
          if (this.#link === link) link.hold(false)
        }
      } catch (error) {
        if (isL402Error(error)) throw error
        // What is on its way on this connection is nobody's to know.
        this.#link?.drop()
        this.#link = undefined
        throw unavailable(this.#options.target, error)
      }
    })
    this.#last = mine.catch(() => {})
    return mine
  }

  async #open(): Promise<Link> {
    if (this.#link !== undefined) return this.#link
    let down = false
    const link = await this.#options.open(() => {
      down = true
      if (this.#link === link) this.#link = undefined
    })
    if (!down) this.#link = link
    return link
  }
}
