/** What a macaroon says of itself, as far as its holder can read it: to choose among several (rule C9). */

import { decodeBase64, decodeUtf8, encodeHex } from '../core/bytes.ts'
import { parseCaveat } from '../core/caveat.ts'
import { capabilities } from '../core/conditions/capabilities.ts'
import { methods } from '../core/conditions/methods.ts'
import { matchesPath, parsePathPattern, paths } from '../core/conditions/paths.ts'
import { services } from '../core/conditions/services.ts'
import { validUntil } from '../core/conditions/valid-until.ts'
import { isL402Error } from '../core/errors.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon, type Macaroon } from '../core/macaroon.ts'

/** The macaroon of a text, or `undefined` for an opaque token. */
export function readMacaroon(text: string): Macaroon | undefined {
  const bytes = decodeBase64(text)
  return bytes && orUndefined(() => decodeMacaroon(bytes))
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
  const caveats = macaroon.caveats.map(({ id }) => parseCaveat(id)).filter((caveat) => caveat !== undefined)
  const verdicts = new Map<string, Fitness>()
  for (const { condition, value } of caveats) {
    if (condition === 'services') {
      for (const name of services.parse(value) ?? [])
        verdicts.set(name.slice(0, name.lastIndexOf(':')), 'fits')
    }
  }
  for (const { condition, value } of caveats) {
    const [, service = '', name] = /^(.+)_(valid_until|methods|paths)$/.exec(condition) ?? []
    if (name === undefined || verdicts.get(service) === 'expired') continue
    if (name === 'valid_until') {
      const end = validUntil.parse(value)
      if (end !== undefined && BigInt(request.nowSeconds) >= end) verdicts.set(service, 'expired')
    } else if (!admits(name, value, request)) {
      verdicts.set(service, 'elsewhere')
    }
  }
  const all = new Set(verdicts.values())
  if (all.size === 0 || all.has('fits')) return 'fits'
  return all.has('elsewhere') ? 'elsewhere' : 'expired'
}

function admits(name: string, value: string, request: Presented): boolean {
  if (name === 'methods') {
    const allowed = methods.parse(value)
    return allowed === undefined || methods.admits(allowed, request.method)
  }
  const allowed = paths.parse(value)
  return allowed === undefined || paths.admits(allowed, request.path)
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
  for (const { id } of macaroon?.caveats ?? []) {
    const caveat = parseCaveat(id)
    if (!caveat?.condition.endsWith('_capabilities')) continue
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
  return (
    macaroon?.caveats.some(({ id }) => {
      const caveat = parseCaveat(id)
      return caveat?.condition.endsWith('_max_calls') === true && caveat.value === '1'
    }) ?? false
  )
}

/** Whether the credential is used up by calls or by what they cost. */
export function countsCalls(macaroon: Macaroon | undefined): boolean {
  const names = macaroon?.caveats.map(({ id }) => parseCaveat(id)?.condition ?? '') ?? []
  return names.some((name) => name.endsWith('_max_calls') || name.endsWith('_max_spend_msat'))
}

/** Whether the credential opens until a time, however often. */
export function isTimePass(macaroon: Macaroon | undefined): boolean {
  const names = macaroon?.caveats.map(({ id }) => parseCaveat(id)?.condition ?? '') ?? []
  return names.some((name) => name.endsWith('_valid_until')) && !countsCalls(macaroon)
}
