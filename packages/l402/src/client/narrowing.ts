/**
 * The copy of a credential that goes out with one request: closed a minute later, and for this method and path alone.
 * Whoever reads it on the way gets no more than that.
 */

import { encodeBase64 } from '../core/bytes.ts'
import { formatCaveat } from '../core/caveat.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import { methods } from '../core/conditions/methods.ts'
import { coversPaths, parsePathPattern } from '../core/conditions/paths.ts'
import { encodeMacaroon, type Macaroon } from '../core/macaroon.ts'
import { boundsOf, type ServiceBounds, servicesOf } from './credential-bounds.ts'
import { boundHash } from './credential-facts.ts'

/** How long a copy is good. */
export const COPY_SECONDS = 60

/** Each service takes conditions of its own. */
const MOST_SERVICES = 4
/** Room for what is appended below the bounds of rule V6. */
const MOST_CAVEATS = 40
const MOST_BYTES = 4096
/** A service whose conditions every server reads alike. */
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
/** A path that every server reads alike: nothing to decode, to collapse or to cut off. */
const PATH = /^(?:\/[A-Za-z0-9._~-]+)*\/?$/
const MOST_PATH = 512

/** What a copy is made for. */
export interface Narrowed {
  readonly method: string
  readonly path: string
  readonly nowSeconds: number
}

/**
 * The macaroon's text with `_valid_until`, `_methods` and `_paths` of the request appended for each service it opens.
 * `undefined` for one that is not of the kind whose servers enforce these conditions, or skip what they do not know:
 * version 0 of the L402 identifier, with its services named (as Turnpike and Aperture mint it).
 */
export function narrowedText(macaroon: Macaroon, request: Narrowed): string | undefined {
  const services = servicesOf(macaroon)
  const fits =
    services.length > 0 &&
    services.length <= MOST_SERVICES &&
    services.every((name) => SERVICE.test(name)) &&
    macaroon.caveats.length <= MOST_CAVEATS &&
    macaroon.caveats.every(({ verificationId }) => verificationId === undefined) &&
    boundHash(macaroon) !== undefined
  if (!fits) return undefined
  const bounds = boundsOf(macaroon)
  const texts = services.flatMap((service) => conditionsFor(service, bounds.get(service), request))
  if (texts.length === 0) return undefined
  const bytes = encodeMacaroon(attenuateMacaroon(macaroon, texts))
  return bytes.length > MOST_BYTES ? undefined : encodeBase64(bytes)
}

/** Only what narrows: a condition that would widen an earlier one makes the credential worthless (protocol §5). */
function conditionsFor(
  service: string,
  bounds: ServiceBounds | undefined,
  { method, path, nowSeconds }: Narrowed,
): readonly string[] {
  const texts: string[] = []
  const end = nowSeconds + COPY_SECONDS
  if (end < (bounds?.end ?? Number.POSITIVE_INFINITY))
    texts.push(formatCaveat(`${service}_valid_until`, String(end)))
  // HEAD is matched as GET (rule S8).
  const asked = method === 'HEAD' ? 'GET' : method
  const wanted = methods.parse(asked)
  if (wanted && (bounds?.methods ?? []).every((allowed) => methods.narrows(wanted, allowed)))
    texts.push(formatCaveat(`${service}_methods`, asked))
  const pattern = path.length <= MOST_PATH && PATH.test(path) ? parsePathPattern(path) : undefined
  if (
    pattern &&
    (bounds?.paths ?? []).every((allowed) => allowed.some((whole) => coversPaths(whole, pattern)))
  )
    texts.push(formatCaveat(`${service}_paths`, path))
  return texts
}
