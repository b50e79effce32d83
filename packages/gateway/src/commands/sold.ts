/** What was sold, as tables show it. */

import { formatAmount } from '@turnpike/l402'

/** A payment of the API, as far as it is shown. */
export interface PaymentBody {
  readonly paymentHash: string
  readonly tokenId: string
  readonly service: string
  readonly route: string
  readonly state: string
  readonly amountMsat: number | null
  readonly settledAt: string
  readonly endsAt: string | null
  readonly calls?: {
    readonly bought: number
    readonly refunded: number
    readonly used: number
    readonly left: number
  } | null
  readonly refunds?: readonly RefundBody[]
}

/** A refund of the API, as far as it is shown. */
export interface RefundBody {
  readonly kind: 'calls' | 'credit' | 'note'
  readonly amount: number
  readonly paymentHash: string
  readonly reason: string
  readonly by: string
  readonly at: string
}

/** An amount, or `?` where it is not known. */
export function amountText(msat: number | null): string {
  return msat === null ? '?' : msat === 0 ? '0 sat' : formatAmount(BigInt(msat))
}

/** A time to the second. */
export function timeText(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z')
}

/** The lines of one payment. */
export function paymentLines(payment: PaymentBody): readonly (readonly string[])[] {
  const { calls, refunds = [] } = payment
  return [
    ['payment', payment.paymentHash],
    ['sold', `${payment.service}: ${payment.route}`],
    ['paid', `${amountText(payment.amountMsat)} at ${timeText(payment.settledAt)}`],
    ['state', payment.state],
    ...(payment.endsAt === null ? [] : [['ends', timeText(payment.endsAt)]]),
    ...(calls === null || calls === undefined
      ? []
      : [
          [
            'calls',
            `${calls.left} left of ${calls.bought}${calls.refunded === 0 ? '' : ` and ${calls.refunded} given back`}`,
          ],
        ]),
    ...refunds.map(({ kind, amount, by, at }) => [
      'refund',
      `${kind === 'calls' ? `${amount} calls` : amountText(amount)} by ${by} at ${timeText(at)}`,
    ]),
  ]
}
