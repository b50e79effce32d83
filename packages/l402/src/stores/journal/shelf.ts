/**
 * What a journal is kept on: texts under texts, in the order of their names (bytes of ASCII), changed in transactions. Each
 * kind of store brings one; what stands on it and what it means is the same everywhere (records.ts).
 */

/** Where to look, and how far. */
export interface ScanRange {
  /** The first name that counts. */
  readonly from: string
  /** The first name after `from` that does not. */
  readonly to: string
  readonly limit: number
  /** From the end. */
  readonly reverse?: boolean
}

/** One entry. */
export type ShelfEntry = readonly [name: string, value: string]

/** Reads. */
export interface ShelfView {
  get(name: string): Promise<string | undefined>
  scan(range: ScanRange): Promise<readonly ShelfEntry[]>
}

/** Reads and changes; what was changed is seen by later reads of the same transaction. */
export interface ShelfChange extends ShelfView {
  put(name: string, value: string): void
  remove(name: string): void
}

/** The shelf. */
export interface Shelf {
  /** Looks; another's change is seen whole or not at all by each read. Throws `store_unavailable`. */
  read<T>(work: (view: ShelfView) => Promise<T>): Promise<T>
  /**
   * Changes all of it or nothing, as if nobody else did anything meanwhile; durable when it resolves. `work` may run more
   * than once and must touch nothing else. Throws `store_unavailable`.
   */
  change<T>(work: (change: ShelfChange) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The range of all names that begin with `prefix`. */
export function within(prefix: string, limit: number, more: Partial<ScanRange> = {}): ScanRange {
  // Above every character that stands in a name.
  return { from: prefix, to: `${prefix}\x7f`, limit, ...more }
}

/** All entries under a prefix, in order, however many; a page is read when it is come to. */
export async function* entriesUnder(
  view: Pick<ShelfView, 'scan'>,
  prefix: string,
  pageSize = 200,
): AsyncGenerator<ShelfEntry> {
  const all = within(prefix, pageSize)
  for (let { from } = all; ; ) {
    const rows = await view.scan({ ...all, from })
    yield* rows
    const [last] = rows.at(-1) ?? []
    if (last === undefined || rows.length < pageSize) return
    // A space comes before all that stands in names.
    from = `${last} `
  }
}

/**
 * Reads through what was changed and is not written yet. `base` must not change meanwhile.
 */
export class PendingChange implements ShelfChange {
  /** `null`: removed. */
  readonly writes: Map<string, string | null> = new Map()
  readonly #base: ShelfView

  constructor(base: ShelfView) {
    this.#base = base
  }

  async get(name: string): Promise<string | undefined> {
    const pending = this.writes.get(name)
    return pending === undefined ? this.#base.get(name) : (pending ?? undefined)
  }

  async scan(range: ScanRange): Promise<readonly ShelfEntry[]> {
    const { from, to, limit, reverse = false } = range
    const own = [...this.writes].filter(([name]) => name >= from && name < to)
    // What was removed must not use up the limit.
    const found = new Map<string, string>(await this.#base.scan({ ...range, limit: limit + own.length }))
    for (const [name, value] of own) {
      if (value === null) found.delete(name)
      else found.set(name, value)
    }
    const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
    if (reverse) sorted.reverse()
    return sorted.slice(0, limit)
  }

  put(name: string, value: string): void {
    this.writes.set(name, value)
  }

  remove(name: string): void {
    this.writes.set(name, null)
  }
}
