import { formatCaveat } from '../core/caveat.ts'
import { parseCidr } from '../core/conditions/ip.ts'
import { origin as originCondition } from '../core/conditions/origin.ts'
import type { ChallengeFor } from './challenger.ts'
import type { RouteTerms } from './gate.ts'

/**
 * The caveats of a new credential. Their order says something:
 * - the end comes before the counters, so that a counter is known to end with it;
 * - the capabilities come last. What stands behind them was appended by a holder (see `Summary.attenuated`).
 */
export function mintedCaveats(terms: RouteTerms, buyer: ChallengeFor, nowSeconds: number): readonly string[] {
  const { service, grants, conditions = {} } = terms
  const caveats = [formatCaveat('services', `${service}:${buyer.tier}`), ...(terms.minted?.caveats ?? [])]
  const add = (name: string, value: string | number | bigint | undefined): void => {
    if (value !== undefined) caveats.push(formatCaveat(`${service}_${name}`, String(value)))
  }
  add('valid_until', grants.validSeconds === undefined ? undefined : nowSeconds + grants.validSeconds)
  const { rate, methods, paths, ip, origin, dpop } = conditions
  add('rate', rate === undefined ? undefined : `${rate.limit}/${rate.seconds}`)
  add('methods', methods?.join(','))
  add('paths', paths?.join(','))
  add('ip', ip === 'client' ? oneAddress(buyer.clientAddress) : ip?.join(','))
  add('origin', origin === 'client' ? oneOrigin(buyer.origin) : origin?.join(','))
  if (dpop === true && buyer.thumbprint !== undefined)
    caveats.push(formatCaveat('dpop_jkt', buyer.thumbprint))
  add('max_calls', grants.calls)
  add('credit_msat', grants.creditMsat)
  add('capabilities', terms.minted?.capabilities ?? terms.capability)
  if (buyer.topUp?.narrowed === true) add('max_spend_msat', grants.creditMsat)
  return caveats
}

/** One address as the condition spells it; `undefined` for none, which binds to nothing. */
function oneAddress(address: string): string | undefined {
  const zone = address.indexOf('%')
  const text = zone < 0 ? address : address.slice(0, zone)
  return parseCidr(text) === undefined ? undefined : text
}

/** One origin; `undefined` for a line that names none, or something else: nobody may buy what never opens. */
function oneOrigin(line: string | undefined): string | undefined {
  return line !== undefined && originCondition.parse(line)?.size === 1 ? line : undefined
}
