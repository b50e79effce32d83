import { type CountingCondition, countingCondition } from './counting.ts'

/** `<service>_max_spend_msat=N`: millisatoshi that may be drawn from the credit account, counted by the ledger. */
export const maxSpendMsat: CountingCondition = countingCondition('millisatoshi in decimal digits')
