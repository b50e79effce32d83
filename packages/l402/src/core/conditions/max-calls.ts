import { type CountingCondition, countingCondition } from './counting.ts'

/** `<service>_max_calls=N`: N admitted requests, counted by the ledger. */
export const maxCalls: CountingCondition = countingCondition('a number of calls in decimal digits')
