import { formatAmount } from '@turnpike/l402'
import type { RouteConfig } from '../config/config.ts'

/** What a route costs, for a table. */
export function describePrice({ price, priceMsat }: RouteConfig): string {
  if (price === undefined) return formatAmount(priceMsat)
  const most = price.mostMsat === undefined ? '' : `, at most ${formatAmount(price.mostMsat)}`
  switch (price.kind) {
    case 'fiat':
      return `${price.text}${most}`
    case 'expr':
      return `by ${price.text}${most}`
    case 'hook':
      return `by hook ${new URL(price.url).host}${most}`
    case 'grpc':
      return `by ${price.metered ? 'metering ' : ''}price server ${price.address}${most}`
  }
}
