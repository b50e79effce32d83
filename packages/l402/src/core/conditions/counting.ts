import type { Condition } from './condition.ts'
import { parseDecimal } from './decimal.ts'

/** A condition whose value is the limit of a counter in the ledger. */
export interface CountingCondition extends Condition<bigint> {
  /** Whether `amount` more fits beside what is used. */
  hasRoom(limit: bigint, used: bigint, amount: bigint): boolean
}

/** A counting condition whose value `expected` describes. */
export function countingCondition(expected: string): CountingCondition {
  return {
    expected,
    parse: parseDecimal,
    narrows: (later, earlier) => later <= earlier,
    hasRoom: (limit, used, amount) => used + amount <= limit,
  }
}
