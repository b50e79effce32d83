/**
 * A purse over rows of text, wherever they are kept. This object holds an image of them in memory, brings it up to date
 * before each call, and hands on the rows that the call changed, all or none.
 */

import { decodeHex, encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { PaymentRecord, PurseStore, StoredCredential, StoredQuote } from '../purse.ts'
import { lockQueue } from './lock-queue.ts'
import { type PurseBooks, purseBooks, purseOver, type Table } from './purse-books.ts'

/** A row: table and key with a space between them, and its text; `null` where it was deleted. */
export type Row = readonly [key: string, text: string | null]

/** What others wrote since the step before; `whole`: these are all rows there are, and the image starts anew. */
interface Fresh {
  readonly rows: readonly Row[]
  readonly whole: boolean
}

/** Where the rows are kept. */
export interface PurseShelf {
  /**
   * Runs `work` on what is new, alone among all who share the shelf where `writes` is true, and makes the rows it
   * answers durable before it resolves: all, or none where it rejects. After a rejection the next step is `whole`.
   */
  step(work: (fresh: Fresh) => readonly Row[], writes: boolean): Promise<void>
  withLock: PurseStore['withLock']
  close(): Promise<void>
}

/** A purse over a shelf. `where` names it in faults. */
export function rowsPurse(
  shelf: PurseShelf,
  { now, where }: { readonly now: () => number; readonly where: string },
): PurseStore {
  // The image is one: steps of this object run one after the other.
  const turns = lockQueue()
  let image = newImage(now)
  let closed = false

  function run<T>(work: (books: PurseBooks) => T, writes: boolean): Promise<T> {
    return turns.run('', async () => {
      if (closed) throw new L402Error('store_unavailable', `the purse ${where} is closed`)
      let done: { readonly value: T } | undefined
      await shelf.step((fresh) => {
        if (fresh.whole) image = newImage(now)
        image.take(fresh.rows, where)
        done = { value: work(image.books) }
        return image.changes()
      }, writes)
      if (!done) throw new Error('the shelf never ran the step')
      return done.value
    })
  }

  return purseOver(run, {
    withLock: (name, task, signal) => shelf.withLock(name, task, signal),
    async close() {
      await turns.run('', async () => {
        if (closed) return
        closed = true
        await shelf.close()
      })
    },
  })
}

interface Image {
  readonly books: PurseBooks
  /** Brings rows in that others wrote. */
  take(rows: readonly Row[], where: string): void
  /** The rows changed since it was asked last. */
  changes(): readonly Row[]
}

function newImage(now: () => number): Image {
  const changed = new Map<string, string | null>()
  const tables = {
    payments: rowTable<PaymentRecord>('payments', changed),
    credentials: rowTable<StoredCredential>('credentials', changed),
    quotes: rowTable<StoredQuote>('quotes', changed),
    texts: rowTable<string>('texts', changed),
  }
  return {
    books: purseBooks(tables, { now }),
    take(rows, where) {
      for (const [key, text] of rows) {
        const space = key.indexOf(' ')
        const name = key.slice(0, space)
        if (!Object.hasOwn(tables, name)) throw unreadable(where)
        try {
          tables[name as keyof typeof tables].take(key.slice(space + 1), text)
        } catch (cause) {
          throw unreadable(where, cause)
        }
      }
      if (rows.length > 0) for (const table of Object.values(tables)) table.sort()
    },
    changes() {
      const rows = [...changed]
      changed.clear()
      return rows
    },
  }
}

function unreadable(where: string, cause?: unknown): L402Error {
  const detail = `the purse ${where} cannot be read: it is damaged, or a newer program wrote it`
  return new L402Error('store_incompatible', detail, { cause })
}

interface RowTable<T> extends Table<T> {
  take(key: string, text: string | null): void
  sort(): void
}

/** A table that notes what changes in it. Each row keeps the place at which it came in, whoever wrote it. */
function rowTable<T>(name: string, changed: Map<string, string | null>): RowTable<T> {
  let rows = new Map<string, { readonly place: number; readonly value: T }>()
  let last = 0
  let inOrder = true
  return {
    get: (key) => rows.get(key)?.value,
    has: (key) => rows.has(key),
    set(key, value) {
      const place = rows.get(key)?.place ?? ++last
      rows.set(key, { place, value })
      changed.set(`${name} ${key}`, writeRow([place, value]))
    },
    delete(key) {
      if (!rows.delete(key)) return false
      changed.set(`${name} ${key}`, null)
      return true
    },
    values: () => Array.from(rows.values(), ({ value }) => value),
    take(key, text) {
      // Taken anew, since what was deleted and put back has another place.
      rows.delete(key)
      if (text === null) return
      const [place, value] = readRow(text) as [number, T]
      if (!Number.isSafeInteger(place)) throw new TypeError('a row without a place')
      rows.set(key, { place, value })
      last = Math.max(last, place)
      inOrder = false
    },
    sort() {
      if (!inOrder) rows = new Map([...rows].sort(([, a], [, b]) => a.place - b.place))
      inOrder = true
    },
  }
}

/** JSON, with amounts as `{"$n":"12"}` and bytes as `{"$x":"hex"}`. */
function writeRow(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, plain: unknown) {
    // As it was before any toJSON: Node's bytes have one.
    const own = this[key]
    if (own instanceof Uint8Array) return { $x: encodeHex(own) }
    return typeof own === 'bigint' ? { $n: own.toString() } : plain
  })
}

function readRow(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value
    if ('$x' in value) return decodeHex(String(value.$x))
    return '$n' in value ? BigInt(String(value.$n)) : value
  })
}
