/** A purse that ends with its process: for tests, browsers and programs that keep no books. */

import { lockQueue } from '../lib/lock-queue.ts'
import { purseBooks, purseOver } from '../lib/purse-books.ts'
import type { Budget, PurseStore } from '../purse.ts'

/** Options of {@link memoryPurse}. */
export interface MemoryPurseOptions {
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
  /** The limits to start with; default {@link DEFAULT_BUDGET}. */
  readonly budget?: Budget
}

/**
 * Makes a purse in memory. Budgets and single-flight hold within this object only.
 *
 * @example
 * const purse = memoryPurse()
 */
export function memoryPurse(options: MemoryPurseOptions = {}): PurseStore {
  const { now = Date.now, budget } = options
  const tables = { payments: new Map(), credentials: new Map(), quotes: new Map(), texts: new Map() }
  const books = purseBooks(tables, { now, budget })
  const locks = lockQueue()
  return purseOver(async (work) => work(books), {
    withLock: (name, task, signal) => locks.run(name, task, signal),
    close: async () => {},
  })
}

export { DEFAULT_BUDGET } from '../purse.ts'
