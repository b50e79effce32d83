/** `match` texts as the library's route table takes them, and what is wrong with one. */

import { compileRoutes, type HeaderCondition, type RouteMatcher, type RouteSpec } from '@turnpike/l402/server'
import { RE2JS } from 're2js'

/** Longest `match` text. */
const MAX_MATCH_LENGTH = 1024

/**
 * What to compile for a `match`: the text itself, or for `[METHODS] ~EXPRESSION` a matcher. The RE2 expression has to
 * match the whole path, and takes time linear in its length. `~ONE &~OTHER`: both have to.
 *
 * @throws TypeError that says what was expected, for an expression that cannot be used.
 */
export function routeMatch(match: string): string | RouteMatcher {
  const parts = /^(?:([^ /~]*) )?~(.*)$/s.exec(match)
  if (parts === null) return match
  const [, methods, text = ''] = parts
  // No path has a space in it.
  const sources = text.split(' &~')
  const expressions = sources.map(compileExpression)
  const prefixes = sources.map(literalPrefix).sort((a, b) => b.length - a.length)
  return {
    ...(methods === undefined ? {} : { methods: methods.split(',') }),
    path: { test: (path) => expressions.every((expression) => expression.testExact(path)) },
    source: match,
    prefix: prefixes[0] ?? '',
    everything: sources.every((source) => /^\^?\/?\.\*\$?$/.test(source)),
  }
}

/** A route as the library's route table takes it. */
export function routeSpec<T>(
  {
    match,
    matchHeaders,
  }: { readonly match: string; readonly matchHeaders: readonly HeaderCondition[] | undefined },
  value: T,
): RouteSpec<T> {
  return { match: routeMatch(match), ...withHeaders(matchHeaders), value }
}

function withHeaders(headers: readonly HeaderCondition[] | undefined): Pick<RouteSpec<unknown>, 'headers'> {
  return headers === undefined ? {} : { headers }
}

/** What everything that an expression matches begins with, as far as it is plain to see. */
function literalPrefix(source: string): string {
  if (source.includes('|')) return ''
  const [, text = '', next = ''] = /^\^?([A-Za-z0-9/_~-]*)(.?)/s.exec(source) ?? []
  return '?*{'.includes(next) && next !== '' ? text.slice(0, -1) : text
}

function compileExpression(source: string): RE2JS {
  const expected = 'expected an RE2 expression of the whole path such as `~/v[12]/[a-z]+`'
  if (source === '') throw new TypeError(`an empty expression, ${expected}`)
  try {
    return RE2JS.compile(source)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\s+/g, ' ').slice(0, 120) : 'unknown fault'
    throw new TypeError(`not an expression that can be used (${why}), ${expected}`)
  }
}

/** A right `match` in the one form that all spellings of it share, or what is wrong with it and what was expected. */
export function readMatch(
  match: string,
  headers?: readonly HeaderCondition[],
): { readonly key: string } | { readonly fault: string } {
  if (match.length > MAX_MATCH_LENGTH) {
    return { fault: `longer than ${MAX_MATCH_LENGTH} characters, expected a shorter match` }
  }
  try {
    const [route] = compileRoutes([{ match: routeMatch(match), ...withHeaders(headers), value: null }]).routes
    const path = match.slice(/^[^ /~]* /.exec(match)?.[0].length ?? 0)
    const conditions = route?.headers?.map(({ name, is, source = '' }) => [name, is ?? null, source])
    return { key: `${route?.methods?.join(',') ?? '*'} ${path} ${JSON.stringify(conditions ?? [])}` }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { fault: error.message.replace(/^invalid route `.*?`: /s, '') }
  }
}
