/** Bodies that are too large or too binary for a tool's answer: kept for a while, and read as resources. */

import { randomBytes } from 'node:crypto'

/** A kept body. */
export interface KeptBody {
  readonly uri: string
  readonly bytes: Uint8Array
  readonly mimeType: string
  /** `null` for what is no text. */
  readonly text: string | null
  readonly source: string
}

/** The newest bodies, up to a number of bytes. */
export interface Bodies {
  keep(body: Omit<KeptBody, 'uri'>): KeptBody
  find(id: string): KeptBody | undefined
}

/** Scheme of the resources' names. */
export const BODY_SCHEME = 'fare-body'

/** Makes a place that holds at most `mostBytes`; the oldest go first. */
export function bodyStore(mostBytes: number): Bodies {
  const kept = new Map<string, KeptBody>()
  let held = 0
  return {
    keep(body) {
      // Not to be guessed: over HTTP several clients share the process.
      const id = randomBytes(16).toString('hex')
      const one: KeptBody = { ...body, uri: `${BODY_SCHEME}://${id}` }
      kept.set(id, one)
      held += one.bytes.length
      for (const [oldest, { bytes }] of kept) {
        if (held <= mostBytes || oldest === id) break
        kept.delete(oldest)
        held -= bytes.length
      }
      return one
    },
    find: (id) => kept.get(id),
  }
}
