import type { RequestCondition } from './condition.ts'
import { isSubset, parseList } from './list.ts'

const CAPABILITY = /^[^,\p{Cc}]+$/u

/** Whether the text can be one capability: not empty, no comma, no control character. Check names at set-up. */
export function isCapability(text: string): boolean {
  return CAPABILITY.test(text)
}

const AT_PRICE = /^(.*;msat=)(0|[1-9][0-9]{0,18})$/

/**
 * The capability of what costs `priceMsat` under another one. Whoever holds it holds it for all that costs no more: what was
 * bought cheap does not open what is dear.
 */
export function atPrice(capability: string, priceMsat: bigint): string {
  return `${capability};msat=${priceMsat}`
}

function holdsAtPrice(held: ReadonlySet<string>, needed: string): boolean {
  const [, base, price] = AT_PRICE.exec(needed) ?? []
  if (base === undefined || price === undefined) return false
  for (const capability of held) {
    const [, heldBase, heldPrice] = AT_PRICE.exec(capability) ?? []
    if (heldBase === base && heldPrice !== undefined && BigInt(heldPrice) >= BigInt(price)) return true
  }
  return false
}

/**
 * `<service>_capabilities=a,b`: what the credential may do there. A capability is any text without commas and control
 * characters, e.g. `GET /forecast/*`. The empty value is the empty set (Aperture mints it). A request that needs no
 * capability presents the empty text. One that ends in `;msat=N` stands for all that costs at most N (see {@link atPrice}).
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
  admits: (held, capability) => capability === '' || held.has(capability) || holdsAtPrice(held, capability),
}
