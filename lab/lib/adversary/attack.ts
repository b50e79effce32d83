/** One hostile request, before it is sent. */

import type { Random } from '../random.ts'

/** What a client writes. Bytes as text, one byte per character. */
export interface Attack {
  readonly protocol: 'h1' | 'h2'
  /** Written one after the other, with a pause between them. */
  readonly parts: readonly string[]
  /** Then the client listens for as long as something may come, says that nothing more comes from it, or is gone at once. */
  readonly ending: 'listens' | 'ends' | 'leaves'
}

/** What a shape may build upon. */
export interface Materials {
  readonly random: Random
  /**
   * The number of this attack. Every request in it carries the line `X-Probe`: this number, with `p` where the client pays for
   * it, `f` for a further honest one, `h` for one that is hidden and must never be found.
   */
  readonly probe: string
  /** A whole `Authorization` value that opens `/pass/`. */
  readonly pass: string
  /** One that opens `/bundle/`, by the call. */
  readonly bundle: string
}

/** Makes attacks of one kind. */
export type Shape = (materials: Materials) => Attack

/** Bytes written at once by a client that listens. */
export function h1(...parts: readonly string[]): Attack {
  return { protocol: 'h1', parts, ending: 'listens' }
}
