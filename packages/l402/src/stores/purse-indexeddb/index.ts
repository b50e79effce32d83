/** The purse of a browser: one IndexedDB that all tabs and workers of an origin share. */

import { rowsPurse } from '../lib/purse-rows.ts'
import type { PurseStore } from '../purse.ts'
import { indexedDbShelf } from './shelf.ts'

/** Options of {@link indexedDbPurse}. */
export interface IndexedDbPurseOptions {
  /** Name of the database and of its locks; default `turnpike-purse`. */
  readonly name?: string
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
  /** Default: the platform's. */
  readonly indexedDB?: IDBFactory
  /** Default: the platform's, `navigator.locks`. */
  readonly locks?: LockManager
}

/**
 * Makes a purse in IndexedDB. Budgets and single-flight hold across tabs and workers of one origin. Scripts of the origin
 * can read it, and a browser may clear it away when the disk is full unless the page asked for `navigator.storage.persist()`.
 * Calls throw `store_unavailable` and `store_incompatible`.
 *
 * @throws TypeError where there is no IndexedDB, or no Web Locks (a page that is not secure has none).
 *
 * @example
 * const purse = indexedDbPurse()
 */
export function indexedDbPurse(options: IndexedDbPurseOptions = {}): PurseStore {
  const name = options.name ?? 'turnpike-purse'
  const factory = options.indexedDB ?? globalThis.indexedDB
  const locks = options.locks ?? globalThis.navigator?.locks
  if (!factory) throw new TypeError('indexedDbPurse: expected a platform with IndexedDB')
  // Without locks, two tabs could pay for one thing (rule C5).
  if (!locks)
    throw new TypeError('indexedDbPurse: expected a platform with navigator.locks, as https pages have it')
  return rowsPurse(indexedDbShelf(name, { factory, locks }), { now: options.now ?? Date.now, where: name })
}

export { DEFAULT_BUDGET } from '../purse.ts'
