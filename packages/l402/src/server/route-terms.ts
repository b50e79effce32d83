import { MAX_AMOUNT_MSAT, parseAmount } from '../core/amount.ts'
import { decodeUtf8, encodeUtf8 } from '../core/bytes.ts'
import { isCapability } from '../core/conditions/capabilities.ts'
import { parseDuration } from '../core/duration.ts'
import { type ConditionsOffer, readConditions } from './conditions-offer.ts'
import type { Grants, RouteTerms } from './gate.ts'
import { type RoutePolicyOffer, routePolicy } from './limits/route-policy.ts'
import { memoFault } from './memo.ts'
import type { Charge } from './metering/charge.ts'
import { type ChargeOffer, readCharge } from './metering/charge-offer.ts'
import { looksPriced } from './pricing/price-capability.ts'
import type { Pricer } from './pricing/pricer.ts'

/** What a seller writes about a route besides its match. */
export interface RouteOffer extends RoutePolicyOffer {
  /** e.g. `10 sat`, or millisatoshi as a bigint, or what says it for each request. Needed unless `free` or `skipInvoice`. */
  readonly price?: string | bigint | Pricer
  /** What one payment buys; one call if left out. */
  readonly grants?: {
    /** Admitted requests. */
    readonly calls?: number
    /** How long the credential is good, e.g. `1h`, or seconds. */
    readonly valid?: string | number
    /** Credit, e.g. `500 sat`, or msat; on a route with a `charge`. */
    readonly credit?: string | bigint
  }
  /** What each request draws from the credit; makes the route a metered one. */
  readonly charge?: ChargeOffer
  /** What its credentials are bound to. */
  readonly conditions?: ConditionsOffer
  /** Capability a credential must hold here; routes may share one. The route's own match if left out. */
  readonly capability?: string
  /**
   * Needs no capability: every credential of the service opens the route, those that another server minted without any
   * (Aperture's) too. For a service with one price.
   */
  readonly anyCapability?: boolean
  readonly free?: boolean
  /** The invoice's description, at most 639 bytes; see {@link RouteTerms.memo}. Braces hold those names alone. */
  readonly memo?: string
}

/**
 * The terms of one route, checked.
 *
 * @throws RangeError or L402Error `malformed` that says what was expected.
 */
export function routeTerms(service: string, name: string, offer: RouteOffer): RouteTerms {
  checkServiceName(service)
  const at = `route "${name}" of service "${service}"`
  if (offer.anyCapability === true && offer.capability !== undefined)
    throw new RangeError(`invalid ${at}: expected either a capability or anyCapability, got both`)
  const capability = offer.anyCapability === true ? '' : (offer.capability ?? routeCapability(name))
  if (offer.anyCapability !== true) checkCapability(capability, name)
  if (offer.free === true) {
    if (offer.price !== undefined || offer.grants !== undefined)
      throw new RangeError(`invalid ${at}: expected either free or a price, got both`)
    if (offer.charge !== undefined || offer.conditions !== undefined)
      throw new RangeError(`invalid ${at}: a free route sells nothing, expected no charge and no conditions`)
    if (offer.memo !== undefined)
      throw new RangeError(`invalid ${at}: a free route sells nothing, expected no memo`)
    if (offer.freebie !== undefined || offer.skipInvoice === true)
      throw new RangeError(`invalid ${at}: expected neither freebie nor skipInvoice on a free route`)
    const policy = routePolicy(service, name, offer)
    return { service, name, free: true, priceMsat: 0n, grants: {}, capability, ...policy }
  }
  if (offer.price === undefined && offer.skipInvoice !== true)
    throw new RangeError(`invalid ${at}: expected a price, e.g. 10 sat, or free: true`)
  const fault = offer.memo === undefined ? undefined : memoFault(offer.memo)
  if (fault !== undefined) throw new RangeError(`invalid memo of ${at}: ${fault}`)
  const pricer = typeof offer.price === 'object' ? offer.price : undefined
  if (pricer !== undefined) checkPricer(at, pricer, offer)
  const priceMsat = readPrice(offer.price)
  if (offer.price !== undefined && priceMsat <= 0n && pricer === undefined)
    throw new RangeError(`invalid price of ${at}: expected more than 0; a free route says free: true`)
  if (priceMsat > MAX_AMOUNT_MSAT)
    throw new RangeError(`invalid price of ${at}: expected at most 21 million bitcoin`)
  const charge = offer.charge === undefined ? undefined : readCharge(at, offer.charge)
  const conditions = offer.conditions === undefined ? undefined : readConditions(at, offer.conditions)
  return {
    service,
    name,
    free: false,
    priceMsat,
    ...(pricer === undefined ? {} : { pricer }),
    grants: grantsOf(at, offer.grants, charge),
    ...(charge === undefined ? {} : { charge }),
    ...(conditions === undefined ? {} : { conditions }),
    capability,
    ...(offer.memo === undefined ? {} : { memo: offer.memo }),
    ...routePolicy(service, name, offer),
  }
}

function readPrice(price: string | bigint | Pricer | undefined): bigint {
  if (price === undefined || typeof price === 'object') return 0n
  return typeof price === 'bigint' ? price : parseAmount(price)
}

/** What binds credentials to the price they were bought at needs a capability to do it with, and a route that sells requests. */
function checkPricer(at: string, pricer: Pricer, offer: RouteOffer): void {
  if (pricer.binds === 'route') return
  if (offer.anyCapability === true)
    throw new RangeError(`invalid ${at}: expected no anyCapability, since its price depends on the request`)
  if (offer.charge !== undefined)
    throw new RangeError(
      `invalid ${at}: expected one price for its credit, not one that depends on the request`,
    )
}

/**
 * The capability that binds a credential to the route it was sold for: the match itself, commas percent-encoded, and the
 * semicolon of what would be taken for a price.
 */
export function routeCapability(name: string): string {
  return name.replaceAll(',', '%2C').replaceAll(/;(?=(?:msat|of)=)/g, '%3B')
}

/** Leaves a macaroon of 8 KiB (rule V6) enough room for what holders append. */
const MAX_CAPABILITY_BYTES = 1024

function checkCapability(capability: string, name: string): void {
  const bytes = encodeUtf8(capability)
  if (!isCapability(capability) || bytes.length > MAX_CAPABILITY_BYTES || decodeUtf8(bytes) !== capability)
    throw new RangeError(
      `invalid capability of "${name}": expected at most 1024 bytes of text without commas or control characters`,
    )
  if (looksPriced(capability))
    throw new RangeError(`invalid capability of "${name}": expected none with ";msat=" or ";of=" in it`)
}

/**
 * Checks a service's name, which becomes the prefix of its conditions.
 *
 * @throws RangeError
 */
export function checkServiceName(service: string): void {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(service))
    throw new RangeError(
      `invalid service name "${service}": expected up to 64 of a-z, 0-9, "_" and "-", beginning with a letter or digit`,
    )
}

function grantsOf(at: string, grants: RouteOffer['grants'], charge: Charge | undefined): Grants {
  const { calls, valid, credit } = grants ?? {}
  if (charge !== undefined && credit === undefined)
    throw new RangeError(`invalid grants of ${at}: expected credit, e.g. 500 sat, to charge requests to`)
  if (charge === undefined && credit !== undefined)
    throw new RangeError(`invalid ${at}: expected a charge, since nothing else draws from credit`)
  if (calls === undefined && valid === undefined && credit === undefined) return { calls: 1 }
  if (calls !== undefined && !(Number.isSafeInteger(calls) && calls > 0))
    throw new RangeError(`invalid grants of ${at}: expected calls to be a whole number above 0, got ${calls}`)
  const validSeconds = typeof valid === 'string' ? parseDuration(valid) : valid
  if (validSeconds !== undefined && !(Number.isSafeInteger(validSeconds) && validSeconds > 0))
    throw new RangeError(
      `invalid grants of ${at}: expected valid to be whole seconds above 0, got ${validSeconds}`,
    )
  const creditMsat = typeof credit === 'string' ? parseAmount(credit) : credit
  if (creditMsat !== undefined && (creditMsat <= 0n || creditMsat > MAX_AMOUNT_MSAT))
    throw new RangeError(`invalid grants of ${at}: expected credit above 0 and at most 21 million bitcoin`)
  if (creditMsat !== undefined && charge !== undefined && creditMsat < charge.estimateMsat)
    throw new RangeError(
      `invalid ${at}: expected credit of at least the estimate of one request (${charge.estimateMsat} msat), got ${creditMsat} msat`,
    )
  return {
    ...(calls === undefined ? {} : { calls }),
    ...(validSeconds === undefined ? {} : { validSeconds }),
    ...(creditMsat === undefined ? {} : { creditMsat }),
  }
}
