/** What a macaroon says of itself, as far as its holder can read it: to choose among several (rule C9). */

import { decodeBase64, decodeUtf8, encodeHex } from '../core/bytes.ts'
import { capabilities } from '../core/conditions/capabilities.ts'
import { methods } from '../core/conditions/methods.ts'
import { matchesPath, type PathPattern, parsePathPattern, paths } from '../core/conditions/paths.ts'
import { isL402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon, type Macaroon } from '../core/macaroon.ts'
import { boundsOf, budgetsOf, caveatsOf, keyOf, type ServiceBounds, servicesOf } from './credential-bounds.ts'

/** Macaroons that were read last: the same few are looked at on every request. */
const read = new Map<string, Macaroon | undefined>()
const MOST_READ = 4_096

/** The macaroon of a text, or `undefined` for an opaque token. */
export function readMacaroon(text: string): Macaroon | undefined {
  const known = read.get(text)
  if (known !== undefined || read.has(text)) return known
  const bytes = decodeBase64(text)
  const macaroon = bytes && orUndefined(() => decodeMacaroon(bytes))
  if (read.size >= MOST_READ) read.clear()
  read.set(text, macaroon)
  return macaroon
}

/** The payment hash that the macaroon is bound to, where its identifier is one this library reads. */
export function boundHash(macaroon: Macaroon): Uint8Array | undefined {
  return orUndefined(() => decodeIdentifier(macaroon.identifier))?.paymentHash
}

function orUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isL402Error(error, 'malformed')) return undefined
    throw error
  }
}

/** Text from outside, fit to be shown: no control characters, no invisible direction marks. */
export function shownText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '\ufffd')
}

/** The caveats as text; a `preimage` one is left out (rule C10). */
export function shownCaveats(macaroon: Macaroon | undefined): readonly string[] {
  const texts = (macaroon?.caveats ?? []).map(({ id }) => {
    const text = decodeUtf8(id)
    return text === undefined ? `hex:${encodeHex(id)}` : shownText(text)
  })
  return texts.filter((text) => !text.startsWith('preimage='))
}

/** The caveats of a macaroon text, fit to be shown; empty for a token that is no macaroon. */
export function shownCaveatsOf(macaroonText: string): readonly string[] {
  return shownCaveats(readMacaroon(macaroonText))
}

/** Whether a credential may open a request, judged by its caveats alone. */
export type Fitness = 'fits' | 'expired' | 'elsewhere'

/** What {@link fitnessOf} judges by. */
export interface Presented {
  readonly method: string
  /** The path of the URL. */
  readonly path: string
  readonly nowSeconds: number
}

/**
 * Reads `_valid_until`, `_methods` and `_paths`. A credential for several services fits if it does for any of them;
 * what cannot be read does not speak against it.
 */
export function fitnessOf(macaroon: Macaroon | undefined, request: Presented): Fitness {
  if (!macaroon) return 'fits'
  let fitness: Fitness | undefined
  for (const bounds of boundsOf(macaroon).values()) {
    const verdict = verdictOf(bounds, request)
    if (verdict === 'fits') return verdict
    if (fitness !== 'elsewhere') fitness = verdict
  }
  return fitness ?? 'fits'
}

function verdictOf(bounds: ServiceBounds, request: Presented): Fitness {
  if (request.nowSeconds >= bounds.end) return 'expired'
  const fits =
    bounds.methods.every((allowed) => methods.admits(allowed, request.method)) &&
    bounds.paths.every((allowed) => paths.admits(allowed, request.path))
  return fits ? 'fits' : 'elsewhere'
}

/**
 * How little a credential opens beyond this request, as numbers to be compared from the left, less being narrower:
 * services, paths, methods. Then which to use up first: a pass before what is counted, what ends sooner before what
 * lasts, few calls before many.
 */
export function narrownessOf(macaroon: Macaroon | undefined, request: Presented): readonly number[] {
  const none = Number.POSITIVE_INFINITY
  if (!macaroon) return [none, none, none, none, none, none]
  const { calls, msat } = budgetsOf(macaroon)
  const fitting = [...boundsOf(macaroon).values()].filter((one) => verdictOf(one, request) === 'fits')
  const least = (of: (bounds: ServiceBounds) => number): number => Math.min(none, ...fitting.map(of))
  return [
    servicesOf(macaroon).length || none,
    least((one) => breadthOfPaths(one.paths, request.path)),
    least((one) => Math.min(none, ...one.methods.map((allowed) => allowed.size))),
    calls === none && msat === none ? 0 : 1,
    least((one) => one.end),
    Math.min(calls, msat),
  ]
}

/** Compares two of {@link narrownessOf}. */
export function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (const [i, left] of a.entries()) {
    const right = b[i] ?? 0
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** 0 for this very path, more the more a pattern leaves open; infinite where no path is named. */
function breadthOfPaths(all: readonly (readonly PathPattern[])[], path: string): number {
  const breadth = (pattern: PathPattern): number =>
    (pattern.rest ? 1000 - pattern.segments.length : 0) +
    pattern.segments.filter((one) => one === null).length
  const fitting = all.flat().filter((pattern) => matchesPath(pattern, path))
  return Math.min(Number.POSITIVE_INFINITY, ...fitting.map(breadth))
}

/** Whether the credential's own caveats bind it to paths. */
export function bindsPaths(macaroon: Macaroon | undefined): boolean {
  return macaroon !== undefined && [...boundsOf(macaroon).values()].some(({ paths }) => paths.length > 0)
}

/** A route by its methods, if any, and its path, as gateways name capabilities: `GET /forecast/*`, `GET%2CPOST /x`. */
const ROUTE = /^(?:([A-Z]+(?:%2C[A-Z]+)*) )?(\/.*)$/

/**
 * Whether the credential's capabilities are named after routes and one of these is the request's: a hint, no more.
 * `undefined` where they are other names.
 */
export function namesRoute(
  macaroon: Macaroon | undefined,
  { method, path }: Pick<Presented, 'method' | 'path'>,
): boolean | undefined {
  let found: boolean | undefined
  for (const caveat of macaroon ? caveatsOf(macaroon) : []) {
    if (!caveat.condition.endsWith('_capabilities')) continue
    for (const name of capabilities.parse(caveat.value) ?? []) {
      const [, methodList, route = ''] = ROUTE.exec(name) ?? []
      const pattern = parsePathPattern(route)
      if (!pattern) return undefined
      const fits = methodList === undefined || methods.admits(new Set(methodList.split('%2C')), method)
      found = found || (fits && matchesPath(pattern, path))
    }
  }
  return found
}

/** Whether the credential says that it is good for one call only. */
export function isSingleUse(macaroon: Macaroon | undefined): boolean {
  return macaroon !== undefined && budgetsOf(macaroon).calls === 1
}

/** Whether the credential is used up by calls or by what they cost. */
export function countsCalls(macaroon: Macaroon | undefined): boolean {
  return macaroon !== undefined && budgetsOf(macaroon).counted
}

/** Whether the credential opens until a time, however often. */
export function isTimePass(macaroon: Macaroon | undefined): boolean {
  return (
    macaroon !== undefined &&
    !countsCalls(macaroon) &&
    caveatsOf(macaroon).some(({ condition }) => condition.endsWith('_valid_until'))
  )
}

/** The key that the credential is bound to (RFC 9449), if any. */
export function boundKey(macaroon: Macaroon | undefined): string | undefined {
  return macaroon && keyOf(macaroon)
}
