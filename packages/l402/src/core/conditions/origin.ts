import type { RequestCondition } from './condition.ts'
import { isSubset, parseList } from './list.ts'

const ORIGIN = /^https?:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/
const DEFAULT_PORT = /^(?:https:.*:443|http:.*:80)$/

/** `<service>_origin=https://…[,…]`: browser origins, spelt as browsers send them; compared byte for byte. */
export const origin: RequestCondition<ReadonlySet<string>> = {
  expected: 'origins between commas: scheme, lower-case host and any port but the default one',
  denied: 'The credential does not admit this origin.',
  parse(value) {
    const items = parseList(value, (item) => ORIGIN.test(item) && !DEFAULT_PORT.test(item))
    return items && new Set(items)
  },
  narrows: isSubset,
  admits: (origins, presented) => origins.has(presented),
}
