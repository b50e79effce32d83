/** Rows in the storage of a Durable Object, which nobody else reads or writes. */

import { isL402Error, L402Error } from '../../core/errors.ts'
import type { PurseShelf, Row } from '../lib/purse-rows.ts'

/** What is used of `ctx.storage`. */
export interface ObjectStorage {
  list(options: { readonly prefix: string }): Promise<Map<string, unknown>>
  transaction<T>(work: (transaction: ObjectWriter) => Promise<T>): Promise<T>
}

/** What is used of one of its transactions. */
interface ObjectWriter {
  put(key: string, value: string): Promise<void>
  delete(key: string): Promise<unknown>
}

const PREFIX = 'purse '

/** The rows of `storage`. Its writes are durable before any answer leaves the object. */
export function storageShelf(storage: ObjectStorage): PurseShelf {
  let loaded = false

  async function once(work: Parameters<PurseShelf['step']>[0], writes: boolean): Promise<void> {
    const whole = !loaded
    const rows = whole ? [...(await storage.list({ prefix: PREFIX }))] : []
    const changed = work({
      rows: rows.map(([key, text]): Row => [key.slice(PREFIX.length), String(text)]),
      whole,
    })
    loaded = true
    if (!writes || changed.length === 0) return
    await storage.transaction(async (transaction) => {
      for (const [key, text] of changed)
        await (text === null ? transaction.delete(PREFIX + key) : transaction.put(PREFIX + key, text))
    })
  }

  return {
    async step(work, writes) {
      try {
        await once(work, writes)
      } catch (error) {
        loaded = false
        if (isL402Error(error) || error instanceof RangeError || error instanceof TypeError) throw error
        throw new L402Error('store_unavailable', 'the storage of the Durable Object failed', { cause: error })
      }
    },
    withLock: () => {
      throw new TypeError('locks are the door’s')
    },
    close: async () => {},
  }
}
