/** What a seller writes about the conditions that a route's credentials are minted with. */

import { ip } from '../core/conditions/ip.ts'
import { methods } from '../core/conditions/methods.ts'
import { origin } from '../core/conditions/origin.ts'
import { paths } from '../core/conditions/paths.ts'
import { parseDuration } from '../core/duration.ts'
import type { MintedConditions } from './gate.ts'

/** See {@link MintedConditions}. */
export interface ConditionsOffer {
  /** At most so many requests in any such time: `10/1m`. */
  readonly rate?: string | undefined
  readonly methods?: readonly string[] | undefined
  /** Patterns such as `/v1/*`. */
  readonly paths?: readonly string[] | undefined
  /** CIDR blocks, or `client`: the address of the buyer. */
  readonly ip?: readonly string[] | 'client' | undefined
  /** Origins, or `client`: that of the buyer's page. */
  readonly origin?: readonly string[] | 'client' | undefined
  /** Binds to the key of the proof of possession (RFC 9449) that the unpaid request carries, where it carries one. */
  readonly dpop?: boolean | undefined
}

/**
 * The conditions of a route, checked by the readers that will enforce them.
 *
 * @throws RangeError that says what was expected.
 */
export function readConditions(at: string, offer: ConditionsOffer): MintedConditions {
  const { rate, dpop } = offer
  return {
    ...(rate === undefined ? {} : { rate: readRate(at, rate) }),
    ...listOf(at, 'methods', offer.methods, methods),
    ...listOf(at, 'paths', offer.paths, paths),
    ...(offer.ip === 'client' ? { ip: 'client' } : listOf(at, 'ip', offer.ip, ip)),
    ...(offer.origin === 'client' ? { origin: 'client' } : listOf(at, 'origin', offer.origin, origin)),
    ...(dpop === undefined ? {} : { dpop }),
  }
}

function readRate(at: string, text: string): { readonly limit: number; readonly seconds: number } {
  const parts = /^([1-9][0-9]{0,8})\/(.+)$/.exec(text)
  if (parts === null)
    throw new RangeError(`invalid rate of ${at}: expected requests per time such as 10/1m, got "${text}"`)
  return { limit: Number(parts[1]), seconds: parseDuration(parts[2] ?? '') }
}

function listOf<Name extends string>(
  at: string,
  name: Name,
  items: readonly string[] | undefined,
  condition: { readonly expected: string; parse(value: string): unknown },
): { readonly [K in Name]?: readonly string[] } {
  if (items === undefined) return {}
  if (items.some((item) => item.includes(',')) || condition.parse(items.join(',')) === undefined)
    throw new RangeError(`invalid ${name} of ${at}: expected ${condition.expected}`)
  return { [name]: items } as { readonly [K in Name]: readonly string[] }
}
