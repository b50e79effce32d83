import type { Condition } from './condition.ts'
import { parseDecimal } from './decimal.ts'

/**
 * `<service>_credit_msat=N`: what the payment has put on the credit account of the token id, in millisatoshi. Stated by the
 * mint, once and before the capabilities, which every mint puts in: behind them it is somebody else's word and refuses.
 */
export const creditMsat: Condition<bigint> = {
  expected: 'millisatoshi in decimal digits, from the server that minted the credential',
  parse: parseDecimal,
  narrows: () => false,
}
