/** What clients know of a budget: what was granted, and what each of their requests may have taken of it. */

/** What a budget counts. */
export type Unit = 'calls' | 'msat'

/** One request that drew on budgets, or several under one `Idempotency-Key`. Of calls, both costs are 1. */
export interface Use {
  readonly costMsat: bigint
  /** What is reserved before the upstream is asked. */
  readonly estimateMsat: bigint
  /** Every byte of the answer came; else the connection broke before that. */
  whole: boolean
  /** Some of the answer came. */
  seen: boolean
  /** The upstream had begun to answer while the gateway lived. */
  answered: boolean
  /** Whether the gateway lived on long enough to write down what it measured. */
  settled: boolean
}

/** One counter of the books, as its holders know it. */
export interface Budget {
  /** Its kind, for tables. */
  readonly kind: string
  readonly unit: Unit
  /** Lower-case hex: how the books name it. */
  readonly key: string
  /** Whether it is an account, which payments add to. */
  readonly account: boolean
  /** All that was paid for or handed on by now. */
  granted: bigint
  readonly uses: Use[]
}

/** Bounds of what the books may have counted. */
export interface Bounds {
  readonly least: bigint
  readonly most: bigint
}

/** What one use may have come to in the books: exactly its cost, except around a crash. */
function boundsOf(use: Use, unit: Unit): Bounds {
  const cost = unit === 'calls' ? 1n : use.costMsat
  const estimate = unit === 'calls' ? 1n : use.estimateMsat
  const low = cost < estimate ? cost : estimate
  const high = cost > estimate ? cost : estimate
  if (use.whole && use.settled) return { least: cost, most: cost }
  // What was being served when its gateway died counts with what it held then: at first the estimate.
  if (use.whole || use.seen) return { least: low, most: high }
  return { least: 0n, most: use.answered ? high : 0n }
}

/** What all uses of a budget may have come to. */
export function bounds({ uses, unit }: Budget): Bounds {
  let least = 0n
  let most = 0n
  for (const use of uses) {
    const each = boundsOf(use, unit)
    least += each.least
    most += each.most
  }
  return { least, most }
}
