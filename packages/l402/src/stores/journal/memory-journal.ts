import type { Journal } from '../journal.ts'
import { memoryShelf } from './memory-shelf.ts'
import { openJournal } from './shelf-journal.ts'

/** A journal that ends with the process: for tests and `store: memory`. */
export function memoryJournal(): Promise<Journal> {
  return openJournal(memoryShelf(), 'memory')
}
