/** `lightning.minAmount` and `lightning.maxAmount`: which amounts the backends are asked for. */

import { formatAmount } from '@turnpike/l402'
import type { AmountLimits, InvoiceBackend } from '@turnpike/l402/lightning'
import { findKind } from '@turnpike/l402/lightning/kinds'
import { type AmountBounds, amountBounds } from '@turnpike/l402/server'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { Config, LightningConfig, RouteConfig, ServiceConfig } from './config.ts'
import { describeFaults } from './faults.ts'
import { type ConfigIssue, formatIssue } from './issue.ts'
import { amount } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

/** What all backends take: any of them may be the one that makes the invoice. Pushes what is wrong. */
export function readAmounts(source: YamlSource, issues: ConfigIssue[]): AmountLimits {
  const value = source.get(['lightning'])
  const paths = Array.isArray(value) ? value.map((_, at) => ['lightning', at]) : [['lightning']]
  const read = (path: readonly (string | number)[], key: string): bigint | undefined => {
    const given = source.get([...path, key])
    if (given === undefined) return undefined
    const parsed = amount.safeParse(given)
    if (parsed.success) return parsed.data
    issues.push(...describeFaults(source, [...path, key], parsed.error))
    return undefined
  }
  let [leastMsat, mostMsat]: (bigint | undefined)[] = []
  for (const path of paths) {
    const [least, most] = [read(path, 'minAmount'), read(path, 'maxAmount')]
    if (least !== undefined && (leastMsat === undefined || least > leastMsat)) leastMsat = least
    if (most !== undefined && (mostMsat === undefined || most < mostMsat)) mostMsat = most
    if (leastMsat === undefined || mostMsat === undefined || leastMsat <= mostMsat) continue
    const at = [...path, most === undefined ? 'minAmount' : 'maxAmount']
    const message = `${at.join('.')}: no amount is at least ${formatAmount(leastMsat)} and at most ${formatAmount(mostMsat)}, expected a "minAmount" below every "maxAmount"`
    issues.push({ position: source.locate(at), message })
    return {}
  }
  return {
    ...(leastMsat === undefined ? {} : { leastMsat }),
    ...(mostMsat === undefined ? {} : { mostMsat }),
  }
}

/** Pushes the fixed prices that are outside of them. */
export function checkAmounts(
  source: YamlSource,
  found: {
    readonly services: readonly ServiceConfig[]
    readonly lightning: readonly LightningConfig[]
    readonly amounts: AmountLimits
  },
  issues: ConfigIssue[],
): void {
  const exactMsat = found.lightning.every(
    ({ backend }) => findKind(backend, 'receive')?.receives?.exactMsat ?? true,
  )
  const bounds = amountBounds({ exactMsat }, found.amounts)
  for (const { name, routes } of found.services) {
    const written = source.get(['services', name, 'routes'])
    // Where a route could not be read, the others have another place than in the file.
    const whole = Array.isArray(written) && written.length === routes.length
    for (const [index, route] of routes.entries()) {
      const fault = unsellable(route, bounds)
      if (fault === undefined) continue
      const position = whole ? source.locate(['services', name, 'routes', index, 'price']) : route.position
      issues.push({ position, message: fault })
    }
  }
}

/** @throws CommandError for a fixed price that the opened backend itself cannot make an invoice for. */
export function checkSellable(
  { file, services, amounts }: Pick<Config, 'file' | 'services' | 'amounts'>,
  { invoiceCapabilities }: Pick<InvoiceBackend, 'invoiceCapabilities'>,
): void {
  let bounds: AmountBounds
  try {
    bounds = amountBounds(invoiceCapabilities, amounts)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new CommandError(
      exitCode.config,
      `${file}: lightning: ${error.message}, with what the backend itself takes`,
    )
  }
  const faults = services.flatMap(({ routes }) =>
    routes.flatMap((route) => {
      const message = unsellable(route, bounds)
      return message === undefined ? [] : [formatIssue(file, { position: route.position, message })]
    }),
  )
  if (faults.length > 0) throw new CommandError(exitCode.config, faults.join('\n'))
}

function unsellable(
  { free, price, priceMsat, policy }: RouteConfig,
  bounds: AmountBounds,
): string | undefined {
  if (free || price !== undefined || policy.skipInvoice) return undefined
  const outside = bounds(priceMsat)
  return outside === undefined
    ? undefined
    : `price: ${outside.detail}, expected a price within "minAmount" and "maxAmount" of "lightning", and within what the backend itself takes`
}
