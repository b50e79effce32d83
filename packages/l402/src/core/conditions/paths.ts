import type { RequestCondition } from './condition.ts'
import { compileList, MAX_PAIRED_ITEMS } from './list.ts'

/**
 * A path pattern: literal segments, `*` for exactly one segment that is not empty, and `*` as the last segment for
 * the rest. The rest may be empty but for its slash: `/v1/*` matches `/v1/` and all below it, not `/v1`.
 */
export interface PathPattern {
  /** A segment's text, or `null` for any one that is not empty. */
  readonly segments: readonly (string | null)[]
  /** Whether it goes on with `/` and anything. */
  readonly rest: boolean
}

/** What a normalised path is made of, and `*`; a comma cannot stand in a list. */
const SEGMENT = /^[A-Za-z0-9._~!$&'()*+;=:@%-]*$/

/** Compiles a pattern; `undefined` for one that no normalised path could match, or where `*` is part of a segment. */
export function parsePathPattern(text: string): PathPattern | undefined {
  if (!text.startsWith('/')) return undefined
  const segments: (string | null)[] = []
  const parts = text.slice(1).split('/')
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1
    if (part === '*') {
      if (last) return { segments, rest: true }
      segments.push(null)
      continue
    }
    if (!SEGMENT.test(part) || part.includes('*') || part === '.' || part === '..') return undefined
    if (part === '' && !last) return undefined
    segments.push(part)
  }
  return { segments, rest: false }
}

/** Whether the normalised path is one of the pattern's. Compares byte for byte, without allocation. */
export function matchesPath(pattern: PathPattern, path: string): boolean {
  const { segments, rest } = pattern
  let at = 0
  for (let i = 0; i < segments.length; i++) {
    if (path.charCodeAt(at) !== 0x2f) return false
    const slash = path.indexOf('/', at + 1)
    const end = slash < 0 ? path.length : slash
    const length = end - at - 1
    const segment = segments[i] as string | null
    if (segment === null ? length === 0 : length !== segment.length || !path.startsWith(segment, at + 1))
      return false
    at = end
  }
  return rest ? path.charCodeAt(at) === 0x2f : at === path.length
}

/** Whether every path of `part` is one of `whole`; exact for this grammar. */
export function coversPaths(whole: PathPattern, part: PathPattern): boolean {
  if (part.segments.length < whole.segments.length) return false
  for (let i = 0; i < whole.segments.length; i++) {
    const wanted = whole.segments[i] as string | null
    const got = part.segments[i] as string | null
    if (wanted === null ? got === '' : got !== wanted) return false
  }
  const longer = part.segments.length > whole.segments.length
  return whole.rest ? longer || part.rest : !longer && !part.rest
}

/** `<service>_paths=/v1/*,/v2/x`: the normalised paths a credential may be used on. */
export const paths: RequestCondition<readonly PathPattern[]> = {
  expected: `at most ${MAX_PAIRED_ITEMS} path patterns between commas, with "*" for a segment and "/*" at the end for the rest`,
  denied: 'The credential does not admit this path.',
  parse: (value) => compileList(value, parsePathPattern),
  narrows: (later, earlier) => later.every((part) => earlier.some((whole) => coversPaths(whole, part))),
  admits(patterns, path) {
    for (let i = 0; i < patterns.length; i++) {
      if (matchesPath(patterns[i] as PathPattern, path)) return true
    }
    return false
  },
}
