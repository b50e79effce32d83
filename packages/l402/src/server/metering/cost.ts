/** Exact costs of measured units. */

import { MAX_AMOUNT_MSAT } from '../../core/amount.ts'
import type { UnitRate } from './charge.ts'

/** What a part of a charge costs in msat; or it names no units, or something that is no number of units. */
export type Cost = bigint | 'absent' | 'wrong'

/** Rounded up (rule 6). `units` ≥ 0. */
export function costOf({ msat, per }: UnitRate, units: bigint): bigint {
  return (units * msat + per - 1n) / per
}

// Every double below 10^21 as JavaScript writes it (`1.5e-7`, and 22 digits behind the point at most); nothing honest is larger.
const DECIMAL = /^([0-9]{1,21})(?:\.([0-9]{1,30}))?(?:[eE]-([0-9]{1,3}))?$/

/** The cost of so many units in decimal text. What nobody could pay is no number of units either. */
export function decimalCost({ msat, per }: UnitRate, text: string): Cost {
  const [, whole, fraction = '', exponent = '0'] = text.length <= 64 ? (DECIMAL.exec(text) ?? []) : []
  if (whole === undefined) return 'wrong'
  const scale = 10n ** BigInt(fraction.length + Number(exponent))
  return payable(costOf({ msat, per: per * scale }, BigInt(whole + fraction)))
}

/** `cost`, unless it is more than there is. */
export function payable(cost: bigint): Cost {
  return cost <= MAX_AMOUNT_MSAT ? cost : 'wrong'
}
