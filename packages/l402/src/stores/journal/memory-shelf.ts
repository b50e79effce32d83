import { L402Error } from '../../core/errors.ts'
import { PendingChange, type Shelf, type ShelfEntry, type ShelfView } from './shelf.ts'

/** A shelf that ends with the process. */
export function memoryShelf(): Shelf {
  const values = new Map<string, string>()
  /** All names, in order. */
  const names: string[] = []
  let last: Promise<unknown> = Promise.resolve()
  let closed = false

  const checkOpen = (): void => {
    if (closed) throw new L402Error('store_unavailable', 'the journal is closed')
  }
  const view: ShelfView = {
    get: async (name) => values.get(name),
    async scan({ from, to, limit, reverse = false }) {
      const [first, end] = [position(names, from), position(names, to)]
      const chosen = reverse
        ? names.slice(Math.max(first, end - limit), end).reverse()
        : names.slice(first, Math.min(end, first + limit))
      return chosen.map((name): ShelfEntry => [name, values.get(name) ?? ''])
    },
  }
  return {
    async read(work) {
      checkOpen()
      return work(view)
    },
    change(work) {
      const mine = last.then(async () => {
        checkOpen()
        const change = new PendingChange(view)
        const result = await work(change)
        for (const [name, value] of change.writes) {
          const at = position(names, name)
          if (value === null) {
            if (values.delete(name)) names.splice(at, 1)
            continue
          }
          if (!values.has(name)) names.splice(at, 0, name)
          values.set(name, value)
        }
        return result
      })
      last = mine.catch(() => {})
      return mine
    },
    async close() {
      closed = true
      await last
    },
  }
}

/** Where a name is in the order, or would be. */
function position(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((names[middle] ?? '') < name) low = middle + 1
    else high = middle
  }
  return low
}
