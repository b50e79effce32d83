/** Whether a copy would open anything: every server refuses one whose conditions widen those before them (protocol §5). */

import {
  type Enforceable,
  encodeUtf8,
  type Macaroon,
  type MacaroonCaveat,
  parseCaveat,
  type Refusal,
  type ServicePolicy,
  type Summary,
  summariseCaveats,
} from '@turnpike/l402'
import { UsageError } from '../cli/usage-error.ts'
import { entryOf, type Narrowing, servicesOf } from './narrow.ts'

const FLAGS: Readonly<Record<Narrowing['condition'], string>> = {
  max_calls: '--calls',
  max_spend_msat: '--spend',
  valid_until: '--until',
  paths: '--paths',
  methods: '--methods',
}
const ENFORCED: ReadonlySet<Enforceable> = new Set(['max_calls', 'max_spend_msat', 'rate', 'dpop_jkt'])

/**
 * Reads the chain as a server would. Conditions of a credential that no server of this kind would take are not judged.
 *
 * @throws UsageError naming the flag, and the bound that the credential has.
 */
export function assertNarrower(
  macaroon: Macaroon,
  { service, conditions }: { readonly service: string; readonly conditions: readonly Narrowing[] },
): void {
  const entry = entryOf(macaroon, service)
  const policy: ServicePolicy = {
    service,
    tier: Number(entry.slice(entry.lastIndexOf(':') + 1)),
    enforced: ENFORCED,
  }
  // Where it names no service, it is taken for one of the service that was named.
  const named = servicesOf(macaroon).length > 0 ? [] : [{ id: encodeUtf8(`services=${entry}`) }]
  const chain: MacaroonCaveat[] = [...named, ...macaroon.caveats]
  if (!read(chain, policy).ok) return
  for (const { condition, value } of conditions) {
    const name = `${service}_${condition}`
    const caveat = { id: encodeUtf8(`${name}=${value}`) }
    const verdict = read([...chain, caveat], policy)
    if (!verdict.ok) {
      const bound = chain.map(({ id }) => parseCaveat(id)).findLast((one) => one?.condition === name)
      throw new UsageError(
        bound === undefined
          ? `${FLAGS[condition]}: no server takes ${name}=${value}: ${verdict.detail}`
          : `${FLAGS[condition]}: this credential has ${name}=${bound.value}, and a copy can only be narrower, got ${value}`,
      )
    }
    chain.push(caveat)
  }
}

/** Signatures tell counters apart; which is which does not matter here. */
const SIGNATURE = new Uint8Array(32)

function read(caveats: readonly MacaroonCaveat[], policy: ServicePolicy): Summary | Refusal {
  return summariseCaveats(
    caveats.map((caveat) => ({ caveat, signature: SIGNATURE })),
    policy,
  )
}
