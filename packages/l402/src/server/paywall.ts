import { PAGE_PATH, readForm } from '../page/form.ts'
import type { Ledger } from '../stores/ledger.ts'
import { checkBasePath, publicTarget } from './base-path.ts'
import { createGate } from './create-gate.ts'
import { enter } from './enter.ts'
import { answerResponse, headerLines } from './fetch-answers.ts'
import { fetchBody } from './fetch-body.ts'
import type { Entitlement, RouteTerms } from './gate.ts'
import type { GateOptions } from './gate-options.ts'
import { type KeyRing, keyRing, type MasterKey } from './keys.ts'
import { amountBounds, refuseUnsellable } from './limits/amount-bounds.ts'
import { type ServicePolicyOffer, withServicePolicy } from './limits/route-policy.ts'
import { type RouteOffer, routeTerms } from './route-terms.ts'
import { compileRoutes } from './routes.ts'
import { serveHeld } from './serve-held.ts'
import type { ServiceOptions } from './service-policies.ts'
import { normaliseTarget } from './target.ts'
import { optionsAnswer, problemAnswer, refusalAnswer, type WholeAnswer } from './whole-answer.ts'

/** A route: `[METHOD[,METHOD]] PATH` and what it costs. */
export interface PaywallRoute extends RouteOffer {
  readonly match: string
}

/** A service and its routes; the first that matches decides. */
export interface PaywallService extends ServiceOptions, ServicePolicyOffer {
  readonly routes: readonly PaywallRoute[]
}

/** What a paywall is made of; see {@link GateOptions} for the rest. */
export interface PaywallOptions extends Omit<GateOptions, 'ledger' | 'keys' | 'services'> {
  readonly store: Ledger
  readonly keys: KeyRing | readonly MasterKey[]
  readonly services: Readonly<Record<string, PaywallService>>
  /**
   * What clients' addresses have before the path of the `Request`, e.g. `/shop` behind a proxy that takes it off: in normal
   * form, without a slash at its end; none if left out. Routes match what the `Request` has; `_paths`, proofs of possession,
   * cookies of the payment page, prices, rates and memos are of the public path.
   */
  readonly basePath?: string
}

/** The request may be served. */
export interface PaywallPass {
  readonly outcome: 'pass'
  readonly route: RouteTerms
  /** Who paid, and the hold on what was bought; `null` on a free route. */
  readonly entitlement: Entitlement | null
  /**
   * Runs the handler and settles: a 5xx answer or a thrown error gives the use back (protocol §5 rule 4), anything else
   * uses it, before the answer goes out; what an answer of a metered route costs is known when it has gone out. Errors of the
   * handler stay the handler's. Where the use cannot be written, the
   * answer is a 503 in the handler's place (rule 9): what the handler did is then not paid for.
   */
  serve(handler: () => Response | Promise<Response>): Promise<Response>
}

/**
 * The answer that the request gets instead of the resource: 402, 429, 503, 400, 404, 204 to OPTIONS (rule S8), or the one
 * that the same request got before (protocol §5 rule 10).
 */
export interface PaywallRefusal {
  readonly outcome: 'refuse'
  readonly response: Response
}

/** Facts about a request that a `Request` does not carry. */
export interface RequestInfo {
  /** Client address after trusted-proxy handling; unknown addresses share one challenge limit. */
  readonly clientAddress?: string
  /** Scheme and authority as the client sees them, e.g. `https://api.example.com`; the request's own if left out. */
  readonly base?: string
}

/** `Request` in, pass or answer out. */
export type Paywall = (request: Request, info?: RequestInfo) => Promise<PaywallPass | PaywallRefusal>

/**
 * The paywall over fetch's `Request` and `Response`.
 *
 * @example
 * ```ts
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { paywall } from '@turnpike/l402/server'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const gate = paywall({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: { routes: [{ match: 'GET /forecast/*', price: '10 sat', grants: { valid: '1h' } }] } },
 * })
 *
 * export async function handle(request: Request): Promise<Response> {
 *   const result = await gate(request)
 *   return result.outcome === 'refuse' ? result.response : result.serve(() => new Response('sunny'))
 * }
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function paywall(options: PaywallOptions): Paywall {
  const { store, keys, services, page = {}, basePath = '', ...rest } = options
  checkBasePath(basePath)
  const gate = createGate({
    ...rest,
    page: page === false ? false : { ...page, formPath: basePath + PAGE_PATH },
    ledger: store,
    keys: 'mintingKey' in keys ? keys : keyRing(keys),
    services,
  })
  const routes = compileRoutes(
    Object.entries(services).flatMap(([service, offered]) =>
      offered.routes.map((offer) => ({
        match: offer.match,
        value: { ...withServicePolicy(routeTerms(service, offer.match, offer), offered), basePath },
      })),
    ),
  )

  const bounds = amountBounds(rest.lightning.invoiceCapabilities, rest.amounts)
  for (const { value } of routes.routes) refuseUnsellable(value, bounds)
  for (const { value } of routes.routes)
    if (value.pricer?.metered !== undefined)
      throw new RangeError(`invalid price of route "${value.name}": a metered price server needs the gateway`)

  return async (request, info = {}) => {
    const url = new URL(request.url)
    const { method } = request
    const headers = headerLines(request.headers)
    const target = normaliseTarget(url.pathname + url.search)
    // The handler behind reads the path as it came; where that is not the path that was gated, they could disagree.
    if (!target.ok || target.path !== url.pathname) {
      const detail = target.ok ? `expected the path ${target.path}` : target.detail
      return refuse(problemAnswer({ method, headers }, 'bad_target', detail))
    }
    if (target.path === PAGE_PATH && method === 'POST') {
      const form = { headers, base: info.base ?? url.origin, body: (await readForm(request)) ?? '' }
      const submitted = gate.submitPage?.(form) ?? null
      if (submitted !== null) return refuse(refusalAnswer({ method, headers }, submitted))
    }
    const options = method === 'OPTIONS' ? routes.methodsFor(target.path) : []
    if (options.length > 0) return refuse(optionsAnswer({ method, headers }, options))
    const route = method === 'OPTIONS' ? undefined : routes.match(method, target.path)?.value
    if (route === undefined)
      return refuse(problemAnswer({ method, headers }, 'no_route', 'no route of this server matches'))
    const entry = await enter(gate, {
      method,
      path: publicTarget(target.path, basePath),
      query: url.search,
      headers,
      clientAddress: info.clientAddress ?? '',
      route,
      base: info.base ?? url.origin,
      body: fetchBody(request),
    })
    if (entry.outcome === 'answer') return refuse(entry.answer)
    const { entitlement } = entry
    const unavailable = (): Response => answerResponse(entry.unavailable())
    return {
      outcome: 'pass',
      route,
      entitlement,
      serve: (handler) =>
        entitlement === null
          ? Promise.resolve().then(handler)
          : serveHeld(handler, { request, route, entitlement, unavailable }),
    }
  }
}

function refuse(answer: WholeAnswer): PaywallRefusal {
  return { outcome: 'refuse', response: answerResponse(answer) }
}
