/**
 * The gate before a route that somebody else's router has matched: that router decides what runs, so it decides what is
 * paid for. All that an adapter does is to translate.
 */

import type { HeaderLines } from '../core/header-lines.ts'
import type { Ledger } from '../stores/ledger.ts'
import { checkBasePath } from './base-path.ts'
import { createGate } from './create-gate.ts'
import { type Answered, answered, type BodySource, type Entered, enter } from './enter.ts'
import type { RouteTerms } from './gate.ts'
import type { GateOptions } from './gate-options.ts'
import { type KeyRing, keyRing, type MasterKey } from './keys.ts'
import { amountBounds, refuseUnsellable } from './limits/amount-bounds.ts'
import { type ServicePolicyOffer, withServicePolicy } from './limits/route-policy.ts'
import { type RouteOffer, routeTerms } from './route-terms.ts'
import type { ServiceOptions } from './service-policies.ts'
import { normaliseTarget } from './target.ts'
import { optionsAnswer, problemAnswer } from './whole-answer.ts'

/** What an adapter's `l402()` is made of; see {@link GateOptions} for the rest. */
export interface L402Options extends Omit<GateOptions, 'ledger' | 'keys' | 'services'> {
  readonly store: Ledger
  readonly keys: KeyRing | readonly MasterKey[]
  readonly services: Readonly<Record<string, ServiceOptions & ServicePolicyOffer>>
  /**
   * Scheme and authority that clients see, e.g. `https://api.example.com`; what the request says if left out. Proofs of
   * possession are checked against it.
   */
  readonly origin?: string
}

/** What the adapters take whose frameworks may not show a handler what stands before its path. */
export interface MountedOptions extends L402Options {
  /**
   * What clients' addresses have before the path that handlers see, e.g. `/shop` behind `app.mount('/shop', …)`: in normal form,
   * without a slash at its end; none if left out or empty. Everything that speaks of a path then speaks of the public one:
   * `_paths`, proofs of possession, cookies of the payment page, prices, rates and memos. The root of the server is the base
   * path itself.
   */
  readonly basePath?: string
}

/** One route and what it costs. */
export interface L402Route extends RouteOffer {
  /**
   * What the route is called, e.g. `GET /forecast/:city`: in invoices, and in the credentials that it sells, which open no
   * route of another name. The router's own pattern does; what matters is that it stays.
   */
  readonly name: string
  /** One of the services; may be left out where there is but one. */
  readonly service?: string
}

/** A request as it came. */
interface RawRequest {
  readonly method: string
  /** The target of the request line, undecoded. */
  readonly target: string
  /** All lines, the second `Authorization` too (rule V2). */
  readonly headers: HeaderLines
  /** After trusted-proxy handling; unknown addresses (empty) share one challenge limit. */
  readonly clientAddress: string
  /** Scheme and authority of the request. */
  readonly base?: string | undefined
  readonly body: BodySource
}

/** Stands before one route. */
export interface RouteGate {
  readonly terms: RouteTerms
  /** Never throws for what a client sent. */
  enter(request: RawRequest): Promise<Entered | Answered>
}

/**
 * Makes the gates of a server's routes.
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function routeGates(options: MountedOptions): (route: L402Route) => RouteGate {
  const { store, keys, services, origin, basePath = '', ...rest } = options
  if (origin !== undefined && !/^https?:\/\/[^/?#]+$/.test(origin))
    throw new RangeError('invalid origin: expected scheme and authority, e.g. https://api.example.com')
  checkBasePath(basePath)
  const ring = 'mintingKey' in keys ? keys : keyRing(keys)
  const gate = createGate({ ...rest, ledger: store, keys: ring, services })
  const bounds = amountBounds(rest.lightning.invoiceCapabilities, rest.amounts)
  const names = Object.keys(services)
  const offers = new Map<string, string>()

  return ({ name, service = names.length === 1 ? names[0] : undefined, ...offer }) => {
    if (typeof name !== 'string' || name === '')
      throw new TypeError('invalid route: expected a name, e.g. GET /forecast/:city')
    const offered = service === undefined ? undefined : services[service]
    if (service === undefined || offered === undefined)
      throw new RangeError(`invalid service of route "${name}": expected one of ${names.join(', ')}`)
    const terms = { ...withServicePolicy(routeTerms(service, name, offer), offered), basePath }
    if (terms.pricer?.metered !== undefined)
      throw new RangeError(`invalid price of route "${name}": a metered price server needs the gateway`)
    refuseUnsellable(terms, bounds)
    refuseSecondOffer(offers, `${service} ${name}`, offer)
    return {
      terms,
      async enter(request) {
        const { target: raw, method, headers, clientAddress, body } = request
        const target = normaliseTarget(raw)
        if (!target.ok) return answered(problemAnswer(request, 'bad_target', target.detail))
        // The handler reads the path as it came; where that is not the path that is gated, they could disagree.
        if (!sameButForHexCase(pathOf(raw), target.path))
          return answered(problemAnswer(request, 'bad_target', `expected the path ${target.path}`))
        if (method === 'OPTIONS') return answered(optionsAnswer(request, 'any'))
        const { path, query } = target
        const matched = { method, path, query, headers, clientAddress, route: terms, body }
        const base = origin ?? request.base
        return enter(gate, base === undefined ? matched : { ...matched, base })
      },
    }
  }
}

/** What was sold under a name must open what it was sold for: one name, one offer. */
function refuseSecondOffer(offers: Map<string, string>, key: string, offer: RouteOffer): void {
  const text = JSON.stringify(offer, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value} msat` : value,
  )
  const earlier = offers.get(key)
  if (earlier !== undefined && earlier !== text)
    throw new TypeError(`route "${key}" is there twice with different terms: expected names of their own`)
  offers.set(key, text)
}

/** The path of a target that `normaliseTarget` takes. */
function pathOf(raw: string): string {
  const path = raw.startsWith('/') ? raw.split('?', 1)[0] : /^(?:https?:\/\/[^/?]*)?([^?]*)/i.exec(raw)?.[1]
  return path === undefined || path === '' ? '/' : path
}

function sameButForHexCase(path: string, normal: string): boolean {
  return path === normal || path.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => triplet.toUpperCase()) === normal
}
