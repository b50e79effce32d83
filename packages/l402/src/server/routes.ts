import { coversPaths, matchesPath, type PathPattern } from '../core/conditions/paths.ts'
import {
  askHeaders,
  coversHeaders,
  type HeaderCondition,
  headersKey,
  readHeaderConditions,
} from './route-headers.ts'
import { comparableRequest, parseMethods, parseRoutePattern, withoutParameters } from './route-pattern.ts'

/** A route whose paths something else decides, such as an operator's RE2 pattern. */
export interface RouteMatcher {
  /** Left out: any method. HEAD is matched as GET. */
  readonly methods?: readonly string[]
  /** Asked with a normalised path in which reserved characters that a path may hold either way are decoded. */
  readonly path: { test(path: string): boolean }
  /** What the operator wrote; for tables and messages. */
  readonly source: string
  /** What every path it takes begins with, where that is known; for telling which routes are never reached. */
  readonly prefix?: string
  /** Whether it is known to take every path; for the same. */
  readonly everything?: boolean
}

/** What {@link compileRoutes} takes: `[METHOD[,METHOD]] PATH` or a matcher, and what to answer for it. */
export interface RouteSpec<T> {
  readonly match: string | RouteMatcher
  /** What header lines must hold besides. */
  readonly headers?: readonly HeaderCondition[]
  readonly value: T
}

/** A route, ready to match. */
export interface CompiledRoute<T> {
  /** Its place in the order written, from 0. */
  readonly index: number
  /** What the operator wrote. */
  readonly source: string
  /** `undefined`: any method. GET covers HEAD. */
  readonly methods: readonly string[] | undefined
  /** With names in lower case; `undefined`: whatever the header lines are. */
  readonly headers: readonly HeaderCondition[] | undefined
  readonly value: T
}

/** Routes in the order written; the first that matches wins. */
export interface RouteTable<T> {
  readonly routes: readonly CompiledRoute<T>[]
  /**
   * The route of a request. `path` must come from `normaliseTarget`. HEAD is matched as GET. Where a reader who cuts
   * `;parameters` off would come to another route, none matches; nor where a header line that decides comes twice.
   *
   * `lines` are the raw header lines. Left out, for a preflight, conditions on them are taken to be met.
   */
  match(method: string, path: string, lines?: readonly string[]): CompiledRoute<T> | undefined
  /** The header fields, in lower case, that routes have conditions on. */
  readonly headerNames: ReadonlySet<string>
  /** The methods some route takes on this path, HEAD with GET; `'any'` if one takes any, empty if none matches. */
  methodsFor(path: string): readonly string[] | 'any'
}

/** A route that can never match, and the earlier one that takes all its requests. */
export interface UnreachableRoute {
  readonly index: number
  readonly source: string
  readonly coveredBy: { readonly index: number; readonly source: string }
}

type Lines = readonly string[] | undefined

interface Entry<T> extends CompiledRoute<T> {
  /** `undefined` for a matcher. */
  readonly pattern: PathPattern | undefined
  /** Of a matcher. */
  readonly prefix: string | undefined
  readonly everything: boolean
  test(path: string): boolean
}

/**
 * Compiles routes once, for matching without allocation.
 *
 * @example
 * ```ts
 * const routes = compileRoutes([
 *   { match: 'GET /forecast/*', value: 'paid' },
 *   { match: '/health', value: 'free' },
 * ])
 * routes.match('HEAD', '/forecast/lisbon')?.value // 'paid'
 * ```
 *
 * @throws TypeError for a `match` that is not `[METHOD[,METHOD]] PATH` in normal form, or that is there twice.
 */
export function compileRoutes<T>(specs: readonly RouteSpec<T>[]): RouteTable<T> {
  const entries = specs.map((spec, index) => compileEntry(spec, index))
  refuseDuplicates(entries)
  // Exact paths by path; everything else in order.
  const exact = new Map<string, Entry<T>[]>()
  const patterns: Entry<T>[] = []
  for (const entry of entries) {
    const path = exactPath(entry)
    if (path === undefined) patterns.push(entry)
    else exact.set(path, [...(exact.get(path) ?? []), entry])
  }

  const find = (method: string, path: string, lines: Lines): Entry<T> | undefined => {
    const named = exact.get(path)?.find((entry) => takes(entry, method) && mayMeet(entry, lines))
    for (const entry of patterns) {
      if (named !== undefined && entry.index > named.index) break
      if (takes(entry, method) && entry.test(path) && mayMeet(entry, lines)) return entry
    }
    return named
  }

  return {
    routes: entries,
    headerNames: new Set(entries.flatMap(({ headers }) => headers?.map(({ name }) => name) ?? [])),
    match(method, path, lines) {
      const asked = method === 'HEAD' ? 'GET' : method
      const text = comparableRequest(path)
      const found = find(asked, text, lines)
      if (
        found?.headers !== undefined &&
        lines !== undefined &&
        askHeaders(found.headers, lines) === 'unclear'
      )
        return undefined
      const bare = withoutParameters(text)
      return bare === undefined || found === find(asked, bare, lines) ? found : undefined
    },
    methodsFor(path) {
      const text = comparableRequest(path)
      const methods = new Set<string>()
      for (const entry of entries) {
        if (!entry.test(text)) continue
        if (entry.methods === undefined) return 'any'
        for (const method of entry.methods) methods.add(method)
      }
      if (methods.has('GET')) methods.add('HEAD')
      return [...methods]
    },
  }
}

/** The routes that no request can reach, because one earlier route takes all of theirs. */
export function unreachableRoutes<T>(specs: readonly RouteSpec<T>[]): readonly UnreachableRoute[] {
  const entries = specs.map((spec, index) => compileEntry(spec, index))
  const found: UnreachableRoute[] = []
  for (const entry of entries) {
    const earlier = entries.slice(0, entry.index).find((candidate) => takesAllOf(candidate, entry))
    if (earlier === undefined) continue
    const { index, source } = earlier
    found.push({ index: entry.index, source: entry.source, coveredBy: { index, source } })
  }
  return found
}

function compileEntry<T>({ match, headers, value }: RouteSpec<T>, index: number): Entry<T> {
  if (typeof match === 'string') {
    const { methods, path } = parseRoutePattern(match)
    const test = (text: string): boolean => matchesPath(path, text)
    const conditions = readHeaderConditions(headers, match)
    return {
      index,
      source: match,
      methods,
      headers: conditions,
      value,
      pattern: path,
      prefix: undefined,
      everything: false,
      test,
    }
  }
  const { source, path, prefix, everything = false } = match
  const methods = match.methods === undefined ? undefined : parseMethods(match.methods, source)
  const test = (text: string): boolean => path.test(text)
  const conditions = readHeaderConditions(headers, source)
  return { index, source, methods, headers: conditions, value, pattern: undefined, prefix, everything, test }
}

/** An unclear line counts here: the route is found, and then nobody gets it. */
function mayMeet<T>({ headers }: Entry<T>, lines: Lines): boolean {
  return headers === undefined || lines === undefined || askHeaders(headers, lines) !== 'no'
}

function takes<T>(entry: Entry<T>, method: string): boolean {
  return entry.methods === undefined || entry.methods.includes(method)
}

function exactPath<T>({ pattern }: Entry<T>): string | undefined {
  if (pattern === undefined || pattern.rest || pattern.segments.includes(null)) return undefined
  return `/${pattern.segments.join('/')}`
}

function takesAllOf<T>(wide: Entry<T>, narrow: Entry<T>): boolean {
  if (wide.methods !== undefined && !(narrow.methods?.every((method) => takes(wide, method)) ?? false)) {
    return false
  }
  if (!coversHeaders(wide.headers, narrow.headers)) return false
  if (wide.everything) return true
  if (narrow.pattern === undefined) return coversMatcher(wide, narrow)
  if (wide.pattern !== undefined) return coversPaths(wide.pattern, narrow.pattern)
  const path = exactPath(narrow)
  return path !== undefined && wide.test(path)
}

/** Of an expression only its text and what its paths begin with are known. */
function coversMatcher<T>({ pattern, source }: Entry<T>, narrow: Entry<T>): boolean {
  if (pattern === undefined) return pathText(source) === pathText(narrow.source)
  const folder = `/${pattern.segments.join('/')}${pattern.segments.length === 0 ? '' : '/'}`
  return pattern.rest && !pattern.segments.includes(null) && narrow.prefix?.startsWith(folder) === true
}

/** A matcher's text without its methods. */
function pathText(source: string): string {
  return source.replace(/^[A-Z,-]+ /, '')
}

function refuseDuplicates<T>(entries: readonly Entry<T>[]): void {
  const seen = new Map<string, Entry<T>>()
  for (const entry of entries) {
    const { pattern, methods, headers, source } = entry
    const path = pattern === undefined ? source : JSON.stringify(pattern)
    const key = `${methods?.join(',') ?? ''} ${path} ${headersKey(headers)}`
    const earlier = seen.get(key)
    if (earlier !== undefined) {
      throw new TypeError(
        `route ${entry.index + 1} \`${source}\` matches the same as route ${earlier.index + 1}`,
      )
    }
    seen.set(key, entry)
  }
}
