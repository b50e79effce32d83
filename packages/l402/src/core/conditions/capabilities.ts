import type { RequestCondition } from './condition.ts'
import { isSubset, parseList } from './list.ts'

const CAPABILITY = /^[^,\p{Cc}]+$/u

/** Whether the text can be one capability: not empty, no comma, no control character. Check names at set-up. */
export function isCapability(text: string): boolean {
  return CAPABILITY.test(text)
}

/**
 * `<service>_capabilities=a,b`: what the credential may do there. A capability is any text without commas and control
 * characters, e.g. `GET /forecast/*`. The empty value is the empty set (Aperture mints it). A request that needs no
 * capability presents the empty text.
 */
export const capabilities: RequestCondition<ReadonlySet<string>> = {
  expected: 'capabilities between commas, or nothing',
  denied: 'The credential does not hold the capability this request needs.',
  parse(value) {
    if (value === '') return new Set()
    const items = parseList(value, isCapability)
    return items && new Set(items)
  },
  narrows: isSubset,
  admits: (held, capability) => capability === '' || held.has(capability),
}
