/** The purse in one file that all processes of a user share, for runtimes without SQLite: nothing but `node:fs`. */

import { resolve } from 'node:path'
import { rowsPurse } from '../lib/purse-rows.ts'
import type { PurseStore } from '../purse.ts'
import { fileShelf } from './shelf.ts'

/** Options of {@link filePurse}. */
export interface FilePurseOptions {
  /** Path of the file; folder (0700) and file (0600) are made where missing. Locks live in `<file>.locks/`. */
  readonly file: string
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
}

/**
 * Makes a purse in a file of lines, shared by all processes of one machine. Nothing is acknowledged before it is on the
 * disk, and locks die with their process. Each process holds all rows in memory: where there is `node:sqlite`,
 * `sqlitePurse` is the better one. Not for network file systems. Calls throw `store_incompatible` for a damaged, foreign
 * or newer file and `store_unavailable` where it cannot be used.
 *
 * @example
 * const purse = filePurse({ file: '/home/me/.local/share/shop/purse.jsonl' })
 */
export function filePurse(options: FilePurseOptions): PurseStore {
  const file = resolve(options.file)
  return rowsPurse(fileShelf(file), { now: options.now ?? Date.now, where: file })
}

export { DEFAULT_BUDGET } from '../purse.ts'
