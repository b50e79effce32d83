/** Reads `match` texts for checking and printing. What matches at run time is the library's compiled route table. */

import { RE2JS } from 're2js'

/** Longest `match` text. */
const MAX_MATCH_LENGTH = 1024

/** A `match` text taken apart. */
export interface MatchPattern {
  /** `undefined`: every method. */
  readonly methods: readonly string[] | undefined
  /** The path part as written; starts with `~` for a regular expression. */
  readonly path: string
  readonly regex: boolean
}

/** Takes `match` apart; a string says what is wrong and what was expected. */
export function readMatch(match: string): MatchPattern | string {
  const expected = 'expected "[METHOD[,METHOD]] PATH" such as "GET /forecast/*" or "POST /query"'
  if (match.length > MAX_MATCH_LENGTH)
    return `longer than ${MAX_MATCH_LENGTH} characters, expected a shorter match`
  const space = match.indexOf(' ')
  const first = space === -1 ? '' : match.slice(0, space)
  const named = space !== -1 && !/^[/~]/.test(match)
  const methods = named ? first.split(',') : undefined
  const path = named ? match.slice(space + 1) : match
  for (const method of methods ?? []) {
    if (!/^[A-Z][A-Z-]*$/.test(method)) {
      const upper = method.toUpperCase()
      const meant = /^[A-Z][A-Z-]*$/.test(upper) ? ` ("${upper}"?)` : ''
      return `"${method}" is not a method in capitals${meant}, ${expected}`
    }
    if (method === 'TRACE' || method === 'CONNECT')
      return `${method} is never let through, expected another method`
  }
  if (methods !== undefined && new Set(methods).size !== methods.length) {
    return `a method stands there twice, ${expected}`
  }
  if (path.startsWith('~')) {
    const fault = regexFault(path.slice(1))
    return fault ?? { methods, path, regex: true }
  }
  if (!path.startsWith('/')) return `the path does not start with "/", ${expected}`
  return pathFault(path) ?? { methods, path, regex: false }
}

function pathFault(path: string): string | undefined {
  const wrong = /[^\x21-\x7e]|[?#\\"<>^`{|}]|%(?![0-9A-Fa-f]{2})/.exec(path)?.[0]
  if (wrong !== undefined) {
    const shown = JSON.stringify(wrong)
    return `${shown} cannot stand in a path, expected a path without query, with other characters percent-encoded`
  }
  const segments = path.slice(1).split('/')
  if (segments.slice(0, -1).includes('')) return 'an empty segment ("//"), expected single slashes'
  if (segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    return 'a "." or ".." segment, expected the path they lead to'
  }
  if (segments.some((segment) => segment !== '*' && segment.includes('*'))) {
    return 'a "*" inside a segment, expected "*" to stand alone between slashes (or an expression "~…")'
  }
  return undefined
}

function regexFault(source: string): string | undefined {
  const expected = 'expected an RE2 expression of the path such as "~^/v[12]/[a-z]+$"'
  if (source === '') return `an empty expression, ${expected}`
  try {
    RE2JS.compile(source)
    return undefined
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\s+/g, ' ').slice(0, 120) : 'unknown fault'
    return `not an expression that can be used (${why}), ${expected}`
  }
}

/**
 * Whether every request that `later` matches is already matched by `earlier`. Says yes only where it is certain; of
 * two expressions only equal ones are.
 */
export function shadows(earlier: MatchPattern, later: MatchPattern): boolean {
  return coversMethods(earlier.methods, later.methods) && coversPaths(earlier, later)
}

function coversMethods(
  earlier: readonly string[] | undefined,
  later: readonly string[] | undefined,
): boolean {
  if (earlier === undefined) return true
  // HEAD is matched as GET.
  return later?.every((method) => earlier.includes(method === 'HEAD' ? 'GET' : method)) ?? false
}

function coversPaths(earlier: MatchPattern, later: MatchPattern): boolean {
  if (earlier.path === later.path) return true
  if (earlier.regex || later.regex) return false
  const wide = earlier.path.slice(1).split('/')
  const narrow = later.path.slice(1).split('/')
  const open = wide.at(-1) === '*'
  if (open ? narrow.length < wide.length : narrow.length !== wide.length) return false
  if (!open && narrow.at(-1) === '*') return false
  return wide.every((segment, index) => {
    const other = narrow[index]
    return segment === other || (segment === '*' && other !== '')
  })
}
