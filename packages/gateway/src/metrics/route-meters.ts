/** What is counted for each route, found once per request and then added to without a look-up. */

import type { RouteTerms } from '@turnpike/l402/server'
import { Counter, type Registry } from 'prom-client'
import type { RequestOutcome } from '../log.ts'
import { type Distribution, Durations } from './durations.ts'

/** Upper bounds in seconds. */
export const SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
const OUTCOMES: readonly RequestOutcome[] = [
  'free',
  'paid',
  'replayed',
  'refused',
  'answered',
  'failed',
  'aborted',
]

/** The meters of one route. */
class RouteMeters {
  readonly service: string
  readonly route: string
  /** Time of whole exchanges with the upstream. */
  readonly proxied: Distribution
  /** Time to the upstream's first byte. */
  readonly upstream: Distribution
  redeemed = 0
  // Slot: number of the outcome × 10 + class of the status.
  readonly #requests: number[] = Array.from({ length: OUTCOMES.length * 10 }, () => 0)

  constructor(where: { service: string; route: string }, parts: { proxied: Durations; upstream: Durations }) {
    this.service = where.service
    this.route = where.route
    this.proxied = parts.proxied.of(this.service)
    this.upstream = parts.upstream.of(this.service, this.route)
  }

  /** A request is over. */
  request(outcome: RequestOutcome, status: number): void {
    const slot = OUTCOMES.indexOf(outcome) * 10 + Math.min(9, Math.floor(status / 100))
    this.#requests[slot] = (this.#requests[slot] ?? 0) + 1
  }

  /** What there has been so far. */
  *requests(): Generator<{ outcome: string; code: string; count: number }> {
    for (const [slot, count] of this.#requests.entries())
      if (count > 0) yield { outcome: OUTCOMES[Math.floor(slot / 10)] ?? '', code: `${slot % 10}xx`, count }
  }
}

/** Finds the meters of a route; `undefined` is where no route matched. */
export type RouteMeterBook = (terms: RouteTerms | undefined) => RouteMeters

/**
 * Meters by service and route, shared by all configurations that name the same: a reload neither loses a count nor leaves
 * anything behind.
 */
export function routeMeters(registry: Registry): RouteMeterBook {
  const parts = {
    proxied: new Durations(registry, {
      name: 'turnpike_proxied_seconds',
      help: 'Time of requests that the upstream was asked for, from the last header byte to the last byte of the answer.',
      labels: ['service'],
      buckets: SECONDS,
    }),
    upstream: new Durations(registry, {
      name: 'turnpike_upstream_seconds',
      help: "Time from sending a request on to the first byte of the upstream's answer.",
      labels: ['service', 'route'],
      buckets: SECONDS,
    }),
  }
  const all = new Map<string, RouteMeters>()
  const known = new WeakMap<RouteTerms, RouteMeters>()
  const named = (service: string, route: string): RouteMeters => {
    const key = `${service}\0${route}`
    let found = all.get(key)
    if (found === undefined) {
      found = new RouteMeters({ service, route }, parts)
      all.set(key, found)
    }
    return found
  }
  const nowhere = named('', '')

  new Counter({
    name: 'turnpike_requests_total',
    help: 'Requests by outcome and status class.',
    labelNames: ['service', 'route', 'outcome', 'code'],
    registers: [registry],
    collect() {
      this.reset()
      for (const meters of all.values()) {
        const { service, route } = meters
        for (const { outcome, code, count } of meters.requests())
          this.inc({ service, route, outcome, code }, count)
      }
    },
  })
  new Counter({
    name: 'turnpike_redemptions_total',
    help: 'Paid requests let through.',
    labelNames: ['service', 'route'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { service, route, redeemed } of all.values())
        if (redeemed > 0) this.inc({ service, route }, redeemed)
    },
  })

  return (terms) => {
    if (terms === undefined) return nowhere
    let found = known.get(terms)
    if (found === undefined) {
      found = named(terms.service, terms.name)
      known.set(terms, found)
    }
    return found
  }
}
