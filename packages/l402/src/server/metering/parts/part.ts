import type { HeaderLines } from '../../../core/header-lines.ts'
import type { Cost } from '../cost.ts'

/** Measures one part of a charge. Is told only of what it has a method for. */
export interface Part {
  /** So many more bytes of the request's body. */
  request?(bytes: number): void
  /** The header lines of the answer. */
  head?(headers: HeaderLines): void
  /** So many more bytes of the answer's body. */
  body?(bytes: number): void
  /** The bytes themselves; not kept beyond this call unless copied. */
  chunk?(bytes: Uint8Array): void
  /** JSON that the answer's body holds: once, or once for each event of a stream. Parts with this are known at the end only. */
  value?(value: unknown): void
  /** By now, rounded up; never shrinks but for a part with `value`. */
  cost(): Cost
  /** Whether what was said so far is known to grow: an answer that ends here has cost more than that. */
  unfinished?(): boolean
}
