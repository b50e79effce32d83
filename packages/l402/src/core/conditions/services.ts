import type { Condition } from './condition.ts'
import { isSubset, parseList } from './list.ts'

/** `name:tier`; the tier is a byte, as Aperture reads it. */
const SERVICE = /^[^:\p{Cc}]+:(?:0|[1-9][0-9]{0,2})$/u

function isService(item: string): boolean {
  return SERVICE.test(item) && Number(item.slice(item.indexOf(':') + 1)) <= 255
}

/**
 * `services=name:tier[,…]`: the services a credential opens, as a set of `name:tier`. A service with another tier is
 * another entry.
 */
export const services: Condition<ReadonlySet<string>> = {
  expected: 'name:tier between commas, with tiers from 0 to 255',
  parse(value) {
    const items = parseList(value, isService)
    return items && new Set(items)
  },
  narrows: isSubset,
}

/** Whether the service is among those a credential opens, in this tier. */
export function opensService(opened: ReadonlySet<string>, service: string, tier: number): boolean {
  return opened.has(`${service}:${tier}`)
}
