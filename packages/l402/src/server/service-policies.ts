import type { Enforceable, ServicePolicy } from '../core/clear.ts'
import { checkServiceName } from './route-terms.ts'

/** What a service says of its credentials. */
export interface ServiceOptions {
  /** Tier in the `services` caveat, 0 to 255; 0 if left out. */
  readonly tier?: number
  /** What to do with conditions nobody here knows (protocol §5); `skip` if left out, as the specification demands. */
  readonly unknownCaveats?: 'skip' | 'refuse'
}

/**
 * What each service clears caveats by.
 *
 * @throws RangeError for a name or tier out of range.
 */
export function servicePolicies(
  services: Readonly<Record<string, ServiceOptions>>,
  enforced: ReadonlySet<Enforceable>,
): ReadonlyMap<string, ServicePolicy> {
  const knownServices = new Set(Object.keys(services))
  const policies = new Map<string, ServicePolicy>()
  for (const [service, { tier = 0, unknownCaveats = 'skip' }] of Object.entries(services)) {
    checkServiceName(service)
    // What the `services` caveat can say.
    if (!Number.isSafeInteger(tier) || tier < 0 || tier > 255)
      throw new RangeError(
        `invalid tier of service "${service}": expected a whole number from 0 to 255, got ${tier}`,
      )
    policies.set(service, { service, tier, unknownCaveats, knownServices, enforced })
  }
  return policies
}
