/** Prometheus metrics. Labels hold only names from the configuration and closed sets of words, so their number is bounded. */

import type { PricedEvent, RouteTerms } from '@turnpike/l402/server'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { RequestOutcome } from '../log.ts'
import type { UpstreamState } from '../proxy/index.ts'
import { Durations } from './durations.ts'
import { routeMeters, SECONDS } from './route-meters.ts'
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

/** The Lightning backend's operations that are timed. */
export type LightningOperation = 'create_invoice' | 'lookup_invoice' | 'ping'

/** All values of a process, as plain data. */
export type MetricValues = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** Everything that is counted. */
export interface Metrics {
  /** A request is over. `terms` is `undefined` where no route matched. */
  request(terms: RouteTerms | undefined, outcome: RequestOutcome, status: number): void
  /** A request that the upstream was asked for took so long, its answer's last byte included. */
  proxied(terms: RouteTerms, seconds: number): void
  /** The upstream's answer began so long after it was asked. */
  upstream(terms: RouteTerms, seconds: number): void
  /** The gate let a paid request through. */
  redeemed(terms: RouteTerms): void
  /** The gate refused; `challenged`: with a fresh challenge. */
  refused(terms: RouteTerms, reason: string, challenged: boolean): void
  /** A route in shadow let through what it would have refused. */
  shadowRefused(terms: RouteTerms, reason: string): void
  /** The gate let a request through for nothing. */
  freebie(terms: RouteTerms): void
  /** A pricer was asked. */
  priced(event: PricedEvent): void
  /** An invoice of a service was paid. Told by whoever learns of it, once per invoice. */
  settled(service: string, amountMsat: bigint): void
  ledger(operation: LedgerOperation, seconds: number, ok: boolean): void
  /** So many operations became durable together. */
  ledgerBatch(operations: number, seconds: number): void
  lightning(operation: LightningOperation, seconds: number, ok: boolean): void
  /** Adds a value, or a count, that is only known at the moment of a scrape. */
  add(
    kind: 'gauge' | 'counter',
    what: { readonly name: string; readonly help: string },
    read: () => number,
  ): void
  /** All values, for adding up those of several processes. */
  values(): Promise<MetricValues>
  /** The text for a scrape. */
  expose(): Promise<Exposition>
}

/** What a scrape is answered. */
export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** What is only known at the moment of a scrape. */
export interface Gauges {
  /** Requests that are running. */
  inFlight(): number
  /** Public connections that are open. */
  connections(): number
  /** Credentials in the verdict cache. */
  cachedVerdicts(): number
  /** How often a credential was in the verdict cache, and how often not. */
  verdictLookups(): { readonly hits: number; readonly misses: number }
  /** Seconds since the epoch at which the configuration in force was read. */
  configLoadedAt(): number
  /** How the upstreams of groups are doing. */
  upstreams?(): readonly UpstreamState[]
}

const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** Metrics in a registry of their own. Without `gauges`, of a process that serves no requests itself. */
export function createMetrics(gauges: Gauges | undefined): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const meters = routeMeters(registry)
  const counter = <const L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
  ): Counter<L> => new Counter({ name, help, labelNames, registers: [registry] })
  const challenges = counter('turnpike_challenges_total', 'Challenges (402 with an invoice) sent.', [
    'service',
  ])
  const refusals = counter('turnpike_refusals_total', 'Refused requests by reason.', ['service', 'reason'])
  const settlements = counter('turnpike_settlements_total', 'Invoices that were paid.', ['service'])
  const earned = counter('turnpike_earned_msat_total', 'What was paid, in millisatoshi.', ['service'])
  const shadowRefusals = counter(
    'turnpike_shadow_refusals_total',
    'Requests that a route in shadow let through and would have refused, by reason.',
    ['service', 'route', 'reason'],
  )
  const freebies = counter(
    'turnpike_freebies_total',
    'Requests that clients had for nothing on paid routes.',
    ['service', 'route'],
  )
  const prices = counter('turnpike_prices_total', 'Prices asked of pricers, by outcome.', [
    'service',
    'outcome',
  ])
  const releases = counter(
    'turnpike_releases_total',
    'Reserved calls given back because the upstream did not serve them.',
  )
  const ledgerFaults = counter('turnpike_ledger_faults_total', 'Ledger operations that failed.', [
    'operation',
  ])
  const lightningFaults = counter(
    'turnpike_lightning_faults_total',
    'Calls of the Lightning backend that failed.',
    ['operation'],
  )
  const durations = (name: string, help: string, labels: readonly string[], buckets = SECONDS): Durations =>
    new Durations(registry, { name, help, labels, buckets })
  const ledger = durations(
    'turnpike_ledger_seconds',
    "Time of the ledger's operations, durable writes included.",
    ['operation'],
  )
  const lightning = durations('turnpike_lightning_seconds', "Time of the Lightning backend's calls.", [
    'operation',
  ])
  const pricing = durations(
    'turnpike_pricing_seconds',
    'Time that pricers took for an answer, or for none.',
    ['pricer'],
  )
  const batchSeconds = durations(
    'turnpike_ledger_batch_seconds',
    'Time until a batch of ledger operations was durable.',
    [],
  ).of()
  const batchSizes = durations(
    'turnpike_ledger_batch_operations',
    'How many ledger operations became durable together.',
    [],
    BATCH_SIZES,
  ).of()
  if (gauges !== undefined) addGauges(registry, gauges)
  if (gauges?.upstreams !== undefined) upstreamGauge(registry, gauges.upstreams)

  return {
    request: (terms, outcome, status) => meters(terms).request(outcome, status),
    proxied: (terms, seconds) => meters(terms).proxied.add(seconds),
    upstream: (terms, seconds) => meters(terms).upstream.add(seconds),
    redeemed(terms) {
      meters(terms).redeemed++
    },
    refused(terms, reason, challenged) {
      refusals.inc({ service: terms.service, reason })
      if (challenged) challenges.inc({ service: terms.service })
    },
    shadowRefused: (terms, reason) =>
      shadowRefusals.inc({ service: terms.service, route: terms.name, reason }),
    freebie: (terms) => freebies.inc({ service: terms.service, route: terms.name }),
    priced({ service, outcome, kind, durationMs }) {
      prices.inc({ service, outcome })
      pricing.of(kind).add(durationMs / 1000)
    },
    settled(service, amountMsat) {
      settlements.inc({ service })
      earned.inc({ service }, Number(amountMsat))
    },
    ledger(operation, seconds, ok) {
      ledger.of(operation).add(seconds)
      if (!ok) ledgerFaults.inc({ operation })
      else if (operation === 'release') releases.inc()
    },
    ledgerBatch(operations, seconds) {
      batchSizes.add(operations)
      batchSeconds.add(seconds)
    },
    lightning(operation, seconds, ok) {
      lightning.of(operation).add(seconds)
      if (!ok) lightningFaults.inc({ operation })
    },
    add(kind, { name, help }, read) {
      if (kind === 'gauge') {
        addGauge(registry, { name, help }, read)
        return
      }
      new Counter({
        name,
        help,
        registers: [registry],
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    },
    values: () => registry.getMetricsAsJSON(),
    async expose() {
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
  }
}

/** `aggregator`: how the values of several processes become one. */
function addGauge(
  registry: Registry,
  what: { readonly name: string; readonly help: string; readonly aggregator?: 'sum' | 'min' },
  read: () => number | Promise<number>,
): void {
  new Gauge({
    aggregator: 'sum',
    ...what,
    registers: [registry],
    async collect() {
      this.set(await read())
    },
  })
}

function addGauges(registry: Registry, gauges: Gauges): void {
  const gauge = (name: string, help: string, read: () => number | Promise<number>): void =>
    addGauge(registry, { name, help }, read)
  gauge('turnpike_requests_in_flight', 'Requests that are running.', gauges.inFlight)
  gauge('turnpike_connections_open', 'Public connections that are open.', gauges.connections)
  gauge('turnpike_verdicts_cached', 'Credentials in the verdict cache.', gauges.cachedVerdicts)
  addGauge(
    registry,
    {
      name: 'turnpike_config_loaded_timestamp_seconds',
      help: 'When the configuration in force was read.',
      aggregator: 'min',
    },
    gauges.configLoadedAt,
  )
  new Counter({
    name: 'turnpike_verdict_lookups_total',
    help: 'Credentials that were found in the verdict cache (hit), or had to be verified (miss).',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      const { hits, misses } = gauges.verdictLookups()
      this.reset()
      this.inc({ result: 'hit' }, hits)
      this.inc({ result: 'miss' }, misses)
    },
  })
}
