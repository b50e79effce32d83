import type { PathPattern } from '../core/conditions/paths.ts'
import { normaliseTarget } from './target.ts'

/** A parsed `[METHOD[,METHOD]] PATH`. */
export interface RoutePattern {
  /** `undefined`: any method. HEAD stands as GET. */
  readonly methods: readonly string[] | undefined
  /** In the form of {@link comparableRequest}. */
  readonly path: PathPattern
}

const GRAMMAR = 'expected `[METHOD[,METHOD]] PATH`, such as `GET /forecast/*`'

/**
 * Reads a `match`. `*` is one segment, `/*` at the end is the rest: `/v1/*` covers `/v1/` and everything below it, not
 * `/v1` itself, as in a `_paths` caveat.
 *
 * @throws TypeError that says what was expected.
 */
export function parseRoutePattern(match: string): RoutePattern {
  const parts = match.split(' ')
  const path = parts.pop() ?? ''
  if (parts.length > 1)
    throw new TypeError(`invalid route \`${match}\`: ${GRAMMAR}, with one space between them`)
  const methods = parts[0] === undefined ? undefined : parseMethods(parts[0].split(','), match)
  return { methods, path: parsePath(path, match) }
}

/** Checks the methods of a route; HEAD is matched as GET. */
export function parseMethods(names: readonly string[], match: string): readonly string[] {
  const methods = new Set<string>()
  for (const name of names) {
    if (!/^[A-Z]+(?:-[A-Z]+)*$/.test(name)) {
      const hint = name === '' ? 'an empty method' : `the method \`${name}\``
      throw new TypeError(`invalid route \`${match}\`: ${hint}; ${GRAMMAR}, methods in capitals`)
    }
    if (name === 'OPTIONS' || name === 'TRACE' || name === 'CONNECT') {
      throw new TypeError(
        `invalid route \`${match}\`: ${name} is answered by the server itself, leave it out`,
      )
    }
    methods.add(name)
  }
  if (methods.has('HEAD') && !methods.has('GET')) {
    throw new TypeError(`invalid route \`${match}\`: HEAD is matched and charged as GET, write GET`)
  }
  methods.delete('HEAD')
  return [...methods].sort()
}

function parsePath(path: string, match: string): PathPattern {
  if (!path.startsWith('/')) {
    throw new TypeError(`invalid route \`${match}\`: the path must start with \`/\`; ${GRAMMAR}`)
  }
  if (path.includes('?') || path.includes('#')) {
    throw new TypeError(`invalid route \`${match}\`: a path has no query and no fragment`)
  }
  const normal = normaliseTarget(path, { allowEncodedSlash: true })
  if (!normal.ok) throw new TypeError(`invalid route \`${match}\`: ${normal.detail}`)
  if (normal.path !== path) {
    throw new TypeError(
      `invalid route \`${match}\`: paths are matched in normal form, write \`${normal.path}\``,
    )
  }
  const segments = comparable(path).slice(1).split('/')
  for (const segment of segments) {
    if (segment.includes('*') && segment !== '*') {
      throw new TypeError(
        `invalid route \`${match}\`: \`*\` must be a whole segment; \`/a/*/b\` and \`/a/*\` are allowed, \`/a*b\` is not`,
      )
    }
  }
  const rest = segments.at(-1) === '*'
  const named = rest ? segments.slice(0, -1) : segments
  return { segments: named.map((segment) => (segment === '*' ? null : segment)), rest }
}

/**
 * The form in which paths are compared: characters that may stand in a path either way (`@` and `%40`) are decoded, so
 * that neither spelling slips past a route. `%25`, `%2F`, `%2A` and what lies outside ASCII stay encoded.
 */
function comparable(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%(?:2[146789BC]|3[ABD]|40)/g, (text) =>
    String.fromCharCode(Number.parseInt(text.slice(1), 16)),
  )
}

/** A request's path in {@link comparable} form; a `*` that came from outside is no wildcard. */
export function comparableRequest(path: string): string {
  return path.includes('*') ? comparable(path).replaceAll('*', '%2A') : comparable(path)
}

/** The path as a reader sees it who cuts `;parameters` off every segment, or `undefined` if there are none. */
export function withoutParameters(path: string): string | undefined {
  return path.includes(';') ? path.replace(/;[^/]*/g, '') : undefined
}
