/** Settlements of several backends as one stream, whose cursor holds a cursor of each. */

import type { Settlement, SettlementsFrom } from '../backend.ts'

/** A stream that goes on by itself when its connection is lost, and ends with the signal alone. */
export type Source = (from: SettlementsFrom) => AsyncIterable<Settlement>

interface Waiting {
  readonly index: number
  readonly settlement: Settlement
  /** Lets its source go on. */
  readonly taken: () => void
}

/**
 * Each source's settlements in its own order, as they come. A source is not read further than it is listened to.
 *
 * @throws RangeError for a cursor that this has not made for so many sources.
 */
export async function* mergeSettlements(
  sources: readonly Source[],
  { after, signal }: SettlementsFrom,
): AsyncGenerator<Settlement> {
  const cursors = readCursors(after, sources.length)
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const waiting: Waiting[] = []
  let wake = (): void => {}
  let fault: { readonly error: unknown } | undefined
  const pump = async (source: Source, index: number): Promise<void> => {
    const own = cursors[index] ?? null
    for await (const settlement of source({ ...(own === null ? {} : { after: own }), signal: either })) {
      if (either.aborted) return
      await new Promise<void>((taken) => {
        waiting.push({ index, settlement, taken })
        wake()
      })
    }
  }
  const rouse = (): void => wake()
  either.addEventListener('abort', rouse, { once: true })
  for (const [index, source] of sources.entries()) {
    pump(source, index).catch((error: unknown) => {
      fault ??= { error }
      wake()
    })
  }
  try {
    while (!either.aborted) {
      const first = waiting.shift()
      if (first !== undefined) {
        cursors[first.index] = first.settlement.cursor
        // Only what was handed out before is behind it.
        yield { ...first.settlement, cursor: JSON.stringify(cursors) }
        first.taken()
      } else if (fault !== undefined) throw fault.error
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  } finally {
    either.removeEventListener('abort', rouse)
    over.abort()
    for (const { taken } of waiting) taken()
  }
}

/** A text or `null` for each source. */
function readCursors(after: string | undefined, length: number): (string | null)[] {
  if (after === undefined) return new Array<string | null>(length).fill(null)
  let read: unknown
  try {
    read = JSON.parse(after)
  } catch {
    // Said below.
  }
  const right =
    Array.isArray(read) &&
    read.length === length &&
    read.every((one) => one === null || typeof one === 'string')
  if (!right) throw new RangeError('after: expected the cursor of a settlement of these backends')
  return read as (string | null)[]
}
