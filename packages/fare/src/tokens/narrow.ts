import { METHODS } from 'node:http'
import {
  attenuateMacaroon,
  decodeBase64,
  decodeMacaroon,
  encodeBase64,
  encodeMacaroon,
  formatCaveat,
  isL402Error,
  L402Error,
  type Macaroon,
  parseCaveat,
} from '@turnpike/l402'
import { typedAmount } from '../budget.ts'
import { typedTime } from '../cli/typed.ts'
import { UsageError } from '../cli/usage-error.ts'

/** Those that a request can have; TRACE and CONNECT open nothing anywhere. */
const POSSIBLE_METHODS: ReadonlySet<string> = new Set(
  METHODS.filter((method) => method !== 'TRACE' && method !== 'CONNECT'),
)

/** What a copy is narrowed to, as typed. */
export interface TypedNarrowing {
  readonly calls?: string | undefined
  readonly spend?: string | undefined
  readonly until?: string | undefined
  readonly paths?: string | undefined
  readonly methods?: string | undefined
}

/** A further condition of a copy, without its service's name. */
export interface Narrowing {
  readonly condition: 'max_calls' | 'max_spend_msat' | 'valid_until' | 'paths' | 'methods'
  readonly value: string
}

/**
 * What was typed as conditions of protocol §5.
 *
 * @throws UsageError naming the flag.
 */
export function typedNarrowing(typed: TypedNarrowing): readonly Narrowing[] {
  const { calls, spend, until, paths, methods } = typed
  const found: Narrowing[] = []
  if (calls !== undefined) {
    if (!/^[1-9][0-9]{0,14}$/.test(calls))
      throw new UsageError(`--calls: expected a whole number above 0, got "${calls}"`)
    found.push({ condition: 'max_calls', value: calls })
  }
  if (spend !== undefined) {
    const amountMsat = typedAmount('--spend', spend)
    // Refused by every server, as a copy that opens nothing.
    if (amountMsat === 0n) throw new UsageError('--spend: expected an amount above 0')
    found.push({ condition: 'max_spend_msat', value: String(amountMsat) })
  }
  if (until !== undefined)
    found.push({
      condition: 'valid_until',
      value: String(Math.floor(typedTime('--until', until, { ahead: true }) / 1000)),
    })
  if (paths !== undefined) {
    for (const path of paths.split(','))
      if (
        !/^\/[A-Za-z0-9._~!$&'()*+;=:@%/-]*$/.test(path) ||
        path.split('/').some((part) => /.\*|\*./.test(part))
      )
        throw new UsageError(
          `--paths: expected path patterns between commas, "*" for one segment and "/*" at the end for the rest, got "${path}"`,
        )
    found.push({ condition: 'paths', value: paths })
  }
  if (methods !== undefined) {
    for (const method of methods.split(','))
      if (!POSSIBLE_METHODS.has(method))
        throw new UsageError(
          `--methods: expected HTTP methods in capitals between commas, e.g. GET,POST, got "${method}"`,
        )
    found.push({ condition: 'methods', value: methods })
  }
  if (found.length === 0)
    throw new UsageError(
      'fare tokens attenuate: expected at least one of --calls, --spend, --until, --paths, --methods',
    )
  return found
}

/** The macaroon of a credential. Throws `malformed` for an opaque token, which cannot be narrowed. */
export function macaroonOf(text: string): Macaroon {
  const found = tryMacaroon(text)
  if (!found) throw new L402Error('malformed', 'this credential is no macaroon, so it cannot be narrowed')
  return found
}

/** The macaroon of a text; `undefined` for an opaque token. */
export function tryMacaroon(text: string): Macaroon | undefined {
  const bytes = decodeBase64(text)
  if (bytes === undefined) return undefined
  try {
    return decodeMacaroon(bytes)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return undefined
    throw error
  }
}

/** Whether it opens only with proofs of a key (RFC 9449). */
export function isBoundToKey(macaroon: Macaroon): boolean {
  return macaroon.caveats.some(({ id }) => parseCaveat(id)?.condition === 'dpop_jkt')
}

/** The services that a macaroon opens by its last `services` caveat, without their tiers. */
export function servicesOf(macaroon: Macaroon): readonly string[] {
  let last: readonly string[] = []
  for (const { id } of macaroon.caveats) {
    const caveat = parseCaveat(id)
    if (caveat?.condition !== 'services') continue
    last = caveat.value.split(',').map((entry) => entry.slice(0, Math.max(entry.lastIndexOf(':'), 0)))
  }
  return last.filter((name) => name !== '')
}

/**
 * The service to narrow for: the one that was named, or the only one there is. A condition for one service does not
 * bind the others.
 *
 * @throws UsageError
 */
export function serviceToNarrow(macaroon: Macaroon, named: string | undefined): string {
  const services = servicesOf(macaroon)
  if (named !== undefined) {
    if (services.length > 0 && !services.includes(named))
      throw new UsageError(`--service: this credential is for ${services.join(', ')}, not "${named}"`)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(named))
      throw new UsageError('--service: expected a service name')
    return named
  }
  const [only, ...others] = services
  if (only === undefined)
    throw new UsageError('this credential names no service; --service says which one it is for')
  if (others.length > 0)
    throw new UsageError(
      `this credential is for ${services.join(', ')}; --service says which to narrow it to`,
    )
  return only
}

/** The narrower copy as text; also bound to the one service where the credential is for several. */
export function narrowed(
  macaroon: Macaroon,
  { service, conditions }: { readonly service: string; readonly conditions: readonly Narrowing[] },
): { readonly text: string; readonly caveats: readonly string[] } {
  const texts = conditions.map(({ condition, value }) => formatCaveat(`${service}_${condition}`, value))
  if (servicesOf(macaroon).length > 1) texts.unshift(formatCaveat('services', entryOf(macaroon, service)))
  return { text: encodeBase64(encodeMacaroon(attenuateMacaroon(macaroon, texts))), caveats: texts }
}

/** The entry `name:tier` of this service by the last `services` caveat that has one; of tier 0 where none has. */
export function entryOf(macaroon: Macaroon, service: string): string {
  let found = `${service}:0`
  for (const { id } of macaroon.caveats) {
    const caveat = parseCaveat(id)
    if (caveat?.condition !== 'services') continue
    const entry = caveat.value.split(',').find((one) => one.slice(0, one.lastIndexOf(':')) === service)
    if (entry !== undefined) found = entry
  }
  return found
}
