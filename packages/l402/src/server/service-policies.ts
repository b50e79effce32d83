import type { Enforceable, ServicePolicy } from '../core/clear.ts'
import type { ServicePage } from '../page/options.ts'
import { type AddressLists, deniedBy } from './limits/address-lists.ts'
import { checkServiceName } from './route-terms.ts'

/** What a service says of its credentials. */
export interface ServiceOptions extends AddressLists {
  /** Tier in the `services` caveat, 0 to 255; 0 if left out. */
  readonly tier?: number
  /** What to do with conditions nobody here knows (protocol §5); `skip` if left out, as the specification demands. */
  readonly unknownCaveats?: 'skip' | 'refuse'
  /** What its payment page says of it; `false`: browsers get the problem in JSON like everybody. */
  readonly page?: ServicePage | false
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

/**
 * Whether a client is to be denied by the lists of the server or of a service; `undefined` where there are none.
 *
 * @throws RangeError for what is not a block.
 */
export function addressPolicy(
  server: AddressLists,
  services: Readonly<Record<string, AddressLists>>,
): ((service: string, address: string) => boolean) | undefined {
  const everywhere = deniedBy(server)
  const byService = new Map(
    Object.entries(services).flatMap(([name, lists]) => {
      const denied = deniedBy(lists)
      return denied === undefined ? [] : [[name, denied] as const]
    }),
  )
  if (everywhere === undefined && byService.size === 0) return undefined
  return (service, address) => everywhere?.(address) === true || byService.get(service)?.(address) === true
}
