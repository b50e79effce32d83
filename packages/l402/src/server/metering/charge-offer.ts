import { parseAmount } from '../../core/amount.ts'
import type { Charge } from './charge.ts'

/** What a seller writes about a charge. */
export interface ChargeOffer {
  readonly fixed?: string | bigint
  readonly estimate?: string | bigint
}

/** The charge of a route, checked. */
export function readCharge(_at: string, { fixed = 0n, estimate = fixed }: ChargeOffer): Charge {
  const msat = (value: string | bigint): bigint => (typeof value === 'string' ? parseAmount(value) : value)
  return { fixedMsat: msat(fixed), estimateMsat: msat(estimate), whenEmpty: 'finish' }
}
