/** `hold`: routes that are paid on delivery, and what they cannot be beside it. */

import { findKind, kindsFor } from '@turnpike/l402/lightning/kinds'
import type { Config, LightningConfig, ServiceConfig, StoreConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { Report } from './metered.ts'
import type { YamlSource } from './yaml-source.ts'

/** What a route says that has a bearing on it. */
interface HoldRoute {
  readonly hold?: boolean | undefined
  readonly free?: boolean | undefined
  readonly grants?: unknown
  readonly charge?: unknown
  readonly freebie?: unknown
  readonly skipInvoice?: boolean | undefined
  readonly shadow?: boolean | undefined
  readonly conditions?: unknown
}

/** One payment buys the one request that it was asked for. */
export function checkHold(route: HoldRoute, priced: boolean, report: Report): void {
  if (route.hold !== true) return
  for (const key of ['free', 'grants', 'charge', 'freebie', 'skipInvoice', 'shadow'] as const)
    if (route[key] !== undefined && route[key] !== false)
      report([key], `a route with "hold: true" sells one call and nothing else, expected no "${key}"`)
  if (priced)
    report(['price'], 'a route with "hold: true" has one price, expected an amount such as "10 sat"')
}

/** Whether any route is paid on delivery. */
export function sellsOnDelivery({ services }: Pick<Config, 'services'>): boolean {
  return services.some(({ routes }) => routes.some(({ hold }) => hold))
}

/** Backends that hold no payments, whatever they are set up with. */
function cannotHold(lightning: readonly LightningConfig[]): readonly string[] {
  const holds = (name: string): boolean => findKind(name, 'receive')?.receives?.holds === true
  return lightning.flatMap(({ backend }) => (holds(backend) ? [] : [backend]))
}

const HOLDERS = kindsFor('receive')
  .filter(({ receives }) => receives?.holds === true)
  .map(({ name }) => `"${name}"`)
  .join(' or ')

function holderFor(unfit: readonly string[]): string {
  return `a Lightning backend that holds payments (${HOLDERS}), not "${unfit.join('", "')}"`
}

/** Its answer must outlive the process, and each backend must hold what is paid until there is one. */
export function checkHolds(
  source: YamlSource,
  found: {
    readonly services: readonly ServiceConfig[]
    readonly store: StoreConfig | undefined
    readonly lightning: readonly LightningConfig[]
  },
  issues: ConfigIssue[],
): void {
  const unfit = cannotHold(found.lightning)
  for (const { routes, policy } of found.services) {
    for (const { hold, position, conditions } of routes) {
      if (!hold) continue
      const expected: string[] = []
      if (found.store?.kind === 'memory') expected.push('a store that lasts, such as sqlite:turnpike.db')
      if (unfit.length > 0) expected.push(holderFor(unfit))
      if (source.get(['forwardAuth']) !== undefined) expected.push('no "forwardAuth"')
      if (policy.freebie !== undefined) expected.push('no "freebie" of its service')
      if (conditions?.dpop === true) expected.push('no "dpop" among its conditions')
      if (expected.length > 0)
        issues.push({
          position,
          message: `hold: a route is paid on delivery, expected ${expected.join(' and ')}`,
        })
    }
  }
}
