import type { RequestCondition } from './condition.ts'
import { parseList } from './list.ts'

const METHOD = /^[A-Z][A-Z0-9_-]*$/

/** HEAD is GET (rule S8), so what admits GET admits HEAD; the other way round it does not. */
function admits(methods: ReadonlySet<string>, method: string): boolean {
  return methods.has(method) || (method === 'HEAD' && methods.has('GET'))
}

/** `<service>_methods=GET,POST`: the methods a credential may be used with; upper-case, compared byte for byte. */
export const methods: RequestCondition<ReadonlySet<string>> = {
  expected: 'upper-case methods between commas',
  denied: 'The credential does not admit this method.',
  parse(value) {
    const items = parseList(value, (item) => METHOD.test(item))
    return items && new Set(items)
  },
  narrows(later, earlier) {
    for (const method of later) if (!admits(earlier, method)) return false
    return true
  },
  admits,
}
