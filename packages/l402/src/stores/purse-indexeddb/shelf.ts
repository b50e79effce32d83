/** Rows in an IndexedDB, each with the number of the step that wrote it, so that other tabs read on from where they are. */

import { isL402Error, L402Error } from '../../core/errors.ts'
import type { PurseShelf, Row } from '../lib/purse-rows.ts'

const ROWS = 'rows'
const BY_STEP = 'by_step'

interface StoredRow {
  readonly key: string
  /** `null` where it was deleted. */
  readonly text: string | null
  readonly step: number
}

/** Opens the rows of the database `name`, at the first step. */
export function indexedDbShelf(
  name: string,
  { factory, locks }: { readonly factory: IDBFactory; readonly locks: LockManager },
): PurseShelf {
  let opening: Promise<IDBDatabase> | undefined
  /** The last step whose rows were handed on; -1 to begin anew. */
  let seen = -1

  async function database(): Promise<IDBDatabase> {
    opening ??= open(factory, name)
    try {
      const db = await opening
      // Another tab has a newer program: it must not wait for this one.
      db.onversionchange = () => db.close()
      return db
    } catch (error) {
      opening = undefined
      throw error
    }
  }

  const step: PurseShelf['step'] = async (work, writes) => {
    try {
      const db = await database()
      seen = await once(db, { seen, work, writes })
    } catch (error) {
      seen = -1
      throw faultOf(error, name)
    }
  }

  return {
    step,
    // Across all tabs and workers of the origin; it ends with the one that holds it (rule C5).
    withLock: async (lock, task, signal) => {
      signal?.throwIfAborted()
      return await locks.request(`${name} ${lock}`, signal ? { signal } : {}, task)
    },
    async close() {
      const db = await opening?.catch(() => undefined)
      db?.close()
    },
  }
}

/** One step in one transaction; answers the number of the last step there is. */
function once(
  db: IDBDatabase,
  {
    seen,
    work,
    writes,
  }: { readonly seen: number; readonly work: Parameters<PurseShelf['step']>[0]; readonly writes: boolean },
): Promise<number> {
  return new Promise((resolve, reject) => {
    // Nothing is acknowledged before it is on the disk (rule C3).
    const transaction = db.transaction(ROWS, writes ? 'readwrite' : 'readonly', { durability: 'strict' })
    const rows = transaction.objectStore(ROWS)
    let last = seen
    let fault: unknown
    transaction.oncomplete = () => resolve(last)
    transaction.onabort = () => reject(fault ?? transaction.error)
    const reading: IDBRequest<StoredRow[]> = rows.index(BY_STEP).getAll(IDBKeyRange.lowerBound(seen, true))
    reading.onsuccess = () => {
      try {
        for (const row of reading.result) last = Math.max(last, row.step)
        const fresh = reading.result.map(({ key, text }): Row => [key, text])
        const changed = work({ rows: fresh, whole: seen < 0 })
        if (!writes || changed.length === 0) return
        last++
        for (const [key, text] of changed) rows.put({ key, text, step: last } satisfies StoredRow)
      } catch (error) {
        fault = error
        transaction.abort()
      }
    }
  })
}

function open(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, 1)
    request.onupgradeneeded = () =>
      request.result.createObjectStore(ROWS, { keyPath: 'key' }).createIndex(BY_STEP, 'step')
    request.onsuccess = () => {
      if (request.result.objectStoreNames.contains(ROWS)) return resolve(request.result)
      request.result.close()
      const detail = `the database ${name} is another program’s, expected a purse`
      reject(new L402Error('store_incompatible', detail))
    }
    request.onerror = () => reject(request.error)
  })
}

/** A fault of the database in this library's words; anything else as it is. */
function faultOf(error: unknown, name: string): unknown {
  if (isL402Error(error) || !(error instanceof DOMException)) return error
  const code = error.name === 'VersionError' ? 'store_incompatible' : 'store_unavailable'
  const detail = `the purse ${name} cannot be used: ${error.message || error.name}`
  return new L402Error(code, detail, { cause: error })
}
