/** Which amounts can be sold: what the operator allows, within what the Lightning backend can make invoices for. */

import { formatAmount } from '../../core/amount.ts'
import type { AmountLimits, InvoiceCapabilities } from '../../lightning/backend.ts'
import type { RouteTerms } from '../gate.ts'

/** Why a price cannot be sold. `detail`: one sentence for the operator. */
export interface OutOfBounds {
  readonly why: 'too_low' | 'too_high'
  readonly detail: string
}

/** `undefined` for a price in msat that can be sold. A price is never moved into the bounds: that would be another price. */
export type AmountBounds = (priceMsat: bigint) => OutOfBounds | undefined

/**
 * See {@link AmountBounds}. What counts is the invoice's amount, which is the price, or the price rounded up to a satoshi where
 * the backend does no better (S7).
 *
 * @throws RangeError for limits that are none, or that nothing is within.
 */
export function amountBounds(
  { exactMsat, amounts: own = {} }: Pick<InvoiceCapabilities, 'exactMsat' | 'amounts'>,
  limits: AmountLimits = {},
): AmountBounds {
  const given = [own.leastMsat, own.mostMsat, limits.leastMsat, limits.mostMsat]
  if (given.some((msat) => msat !== undefined && (typeof msat !== 'bigint' || msat <= 0n)))
    throw new RangeError('invalid amounts: expected millisatoshi above 0, as bigint')
  const leastMsat = pick([own.leastMsat, limits.leastMsat], (a, b) => a > b)
  const mostMsat = pick([own.mostMsat, limits.mostMsat], (a, b) => a < b)
  if (leastMsat !== undefined && mostMsat !== undefined && leastMsat > mostMsat)
    throw new RangeError(
      `invalid amounts: at least ${formatAmount(leastMsat)} and at most ${formatAmount(mostMsat)}, expected amounts that something is within`,
    )
  return (priceMsat) => {
    const asked = exactMsat ? priceMsat : ((priceMsat + 999n) / 1000n) * 1000n
    if (leastMsat !== undefined && asked < leastMsat)
      return {
        why: 'too_low',
        detail: `${formatAmount(asked)} is below the ${formatAmount(leastMsat)} that can be received`,
      }
    if (mostMsat !== undefined && asked > mostMsat)
      return {
        why: 'too_high',
        detail: `${formatAmount(asked)} is above the ${formatAmount(mostMsat)} that can be received`,
      }
    return undefined
  }
}

function pick(
  found: readonly (bigint | undefined)[],
  better: (a: bigint, b: bigint) => boolean,
): bigint | undefined {
  return found.reduce((best, one) =>
    best === undefined || (one !== undefined && better(one, best)) ? one : best,
  )
}

/** @throws RangeError for a route whose fixed price cannot be sold. */
export function refuseUnsellable(route: RouteTerms, bounds: AmountBounds): void {
  if (route.free || route.skipInvoice === true || route.pricer !== undefined) return
  const outside = bounds(route.priceMsat)
  if (outside !== undefined) throw new RangeError(`invalid price of route "${route.name}": ${outside.detail}`)
}
