/** Prometheus metrics. Labels hold only names from the configuration and closed sets of words, so their number is bounded. */

import type { PricedEvent, RouteTerms } from '@turnpike/l402/server'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { RequestOutcome } from '../log.ts'
import type { UpstreamState } from '../proxy/index.ts'
import { Durations } from './durations.ts'
import { upstreamGauge } from './upstream-gauge.ts'

/** The ledger's operations that are timed. */
export type LedgerOperation =
  | 'credit'
  | 'reserve'
  | 'serve'
  | 'draw'
  | 'commit'
  | 'release'
  | 'read'
  | 'pace'
  | 'unpace'
  | 'once'
  | 'claim'
  | 'answer'
  | 'serveClaim'
  | 'unclaim'
  | 'prune'
  | 'revoke'
  | 'ping'

/** Everything that is counted. */
export interface Metrics {
  /** A request is over. `terms` is `undefined` where no route matched. */
  request(terms: RouteTerms | undefined, outcome: RequestOutcome, status: number): void
  /** A request that the upstream was asked for took so long, its answer's last byte included. */
  proxied(terms: RouteTerms, seconds: number): void
  /** The gate let a paid request through. */
  redeemed(terms: RouteTerms): void
  /** The gate refused; `challenged`: with a fresh challenge. */
  refused(terms: RouteTerms, reason: string, challenged: boolean): void
  /** A route in shadow let through what it would have refused. */
  shadowRefused(terms: RouteTerms, reason: string): void
  /** The gate let a request through for nothing. */
  freebie(terms: RouteTerms): void
  ledger(operation: LedgerOperation, seconds: number, ok: boolean): void
  /** A pricer was asked. */
  priced(event: PricedEvent): void
  /** The text for a scrape. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
}

/** What is only known at the moment of a scrape. */
export interface Gauges {
  /** Requests that are running. */
  inFlight(): number
  /** Credentials in the verdict cache. */
  cachedVerdicts(): number
  /** Seconds since the epoch at which the configuration in force was read. */
  configLoadedAt(): number
  /** How the upstreams of groups are doing. */
  upstreams?(): readonly UpstreamState[]
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const OUTCOMES: readonly RequestOutcome[] = ['free', 'paid', 'refused', 'answered', 'failed', 'aborted']

/** Metrics in a registry of their own. */
export function createMetrics(gauges: Gauges): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Tally(registry, {
    name: 'turnpike_requests_total',
    help: 'Requests by outcome and status class.',
    byOutcome: true,
  })
  const challenges = new Counter({
    name: 'turnpike_challenges_total',
    help: 'Challenges (402 with an invoice) sent.',
    labelNames: ['service'],
    registers,
  })
  const refusals = new Counter({
    name: 'turnpike_refusals_total',
    help: 'Refused requests by reason.',
    labelNames: ['service', 'reason'],
    registers,
  })
  const shadowRefusals = new Counter({
    name: 'turnpike_shadow_refusals_total',
    help: 'Requests that a route in shadow let through and would have refused, by reason.',
    labelNames: ['service', 'route', 'reason'],
    registers,
  })
  const freebies = new Counter({
    name: 'turnpike_freebies_total',
    help: 'Requests that clients had for nothing on paid routes.',
    labelNames: ['service', 'route'],
    registers,
  })
  const redemptions = new Tally(registry, {
    name: 'turnpike_redemptions_total',
    help: 'Paid requests let through.',
    byOutcome: false,
  })
  const releases = new Counter({
    name: 'turnpike_releases_total',
    help: 'Reserved calls given back because the upstream did not serve them.',
    registers,
  })
  const upstream = new Durations(registry, {
    name: 'turnpike_proxied_seconds',
    help: 'Time of requests that the upstream was asked for, from the last header byte to the last byte of the answer.',
    label: 'service',
    buckets: SECONDS,
  })
  const ledger = new Durations(registry, {
    name: 'turnpike_ledger_seconds',
    help: "Time of the ledger's operations, durable writes included.",
    label: 'operation',
    buckets: SECONDS,
  })
  const ledgerFaults = new Counter({
    name: 'turnpike_ledger_faults_total',
    help: 'Ledger operations that failed.',
    labelNames: ['operation'],
    registers,
  })
  const prices = new Counter({
    name: 'turnpike_prices_total',
    help: 'Prices asked of pricers, by outcome.',
    labelNames: ['service', 'outcome'],
    registers,
  })
  const pricing = new Durations(registry, {
    name: 'turnpike_pricing_seconds',
    help: 'Time that pricers took for an answer, or for none.',
    label: 'pricer',
    buckets: SECONDS,
  })
  gauge(registry, 'turnpike_requests_in_flight', 'Requests that are running.', gauges.inFlight)
  gauge(registry, 'turnpike_verdicts_cached', 'Credentials in the verdict cache.', gauges.cachedVerdicts)
  gauge(
    registry,
    'turnpike_config_loaded_timestamp_seconds',
    'When the configuration in force was read.',
    gauges.configLoadedAt,
  )
  if (gauges.upstreams !== undefined) upstreamGauge(registry, gauges.upstreams)

  return {
    request(terms, outcome, status) {
      requests.count(terms, OUTCOMES.indexOf(outcome) * 10 + Math.min(9, Math.floor(status / 100)))
    },
    proxied: (terms, seconds) => upstream.add(terms.service, seconds),
    redeemed: (terms) => redemptions.count(terms, 0),
    refused(terms, reason, challenged) {
      refusals.inc({ service: terms.service, reason })
      if (challenged) challenges.inc({ service: terms.service })
    },
    shadowRefused: (terms, reason) =>
      shadowRefusals.inc({ service: terms.service, route: terms.name, reason }),
    freebie: (terms) => freebies.inc({ service: terms.service, route: terms.name }),
    ledger(operation, seconds, ok) {
      ledger.add(operation, seconds)
      if (!ok) ledgerFaults.inc({ operation })
      else if (operation === 'release') releases.inc()
    },
    priced({ service, outcome, kind, durationMs }) {
      prices.inc({ service, outcome })
      pricing.add(kind, durationMs / 1000)
    },
    async expose() {
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
  }
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}

/**
 * A counter for the hot path: counting is one array write; labels are made when somebody looks. Slots are
 * `outcome * 10 + status class`; a tally without outcomes uses slot 0.
 */
class Tally {
  readonly #slots = new Map<RouteTerms | undefined, number[]>()

  constructor(registry: Registry, options: { name: string; help: string; byOutcome: boolean }) {
    const slots = this.#slots
    const { name, help, byOutcome } = options
    new Counter({
      name,
      help,
      labelNames: byOutcome ? ['service', 'route', 'outcome', 'code'] : ['service', 'route'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [terms, counts] of slots) {
          const where = { service: terms?.service ?? '', route: terms?.name ?? '' }
          for (const [slot, count] of counts.entries()) {
            if (count === undefined || count === 0) continue
            const outcome = OUTCOMES[Math.floor(slot / 10)] ?? ''
            this.inc(byOutcome ? { ...where, outcome, code: `${slot % 10}xx` } : where, count)
          }
        }
      },
    })
  }

  count(terms: RouteTerms | undefined, slot: number): void {
    let counts = this.#slots.get(terms)
    if (counts === undefined) {
      counts = Array.from({ length: OUTCOMES.length * 10 }, () => 0)
      this.#slots.set(terms, counts)
    }
    counts[slot] = (counts[slot] ?? 0) + 1
  }
}
