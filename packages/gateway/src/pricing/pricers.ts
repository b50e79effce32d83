/** From what a configuration says about prices to the pricers of its routes. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expressionPricer, fiatPricer, type Pricer, type RateBook, rateBook } from '@turnpike/l402/server'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { Config, RouteConfig } from '../config/config.ts'
import { type JsonClient, jsonClient } from './fetch-json.ts'
import { grpcPricer } from './grpc-pricer.ts'
import { hookPricer } from './hook-pricer.ts'
import type { PricesClient } from './prices-client.ts'
import { type UsageReports, usageReports } from './usage-reports.ts'

/** The pricers of one configuration. */
export interface Pricers {
  /** `undefined` where the price is fixed. */
  of(route: RouteConfig): Pricer | undefined
  /** The rates they use, for the pricers of the next configuration. */
  readonly rates: HeldRates | undefined
  /** Leaves open what the next ones took over. */
  close(): Promise<void>
}

/** Rates and what they were made from. */
interface HeldRates {
  readonly book: RateBook
  readonly client: JsonClient
  readonly madeFrom: string
  users: number
}

/** What {@link openPricers} works with. */
export interface PricersParts {
  /** Told why there is no rate. */
  readonly warn: (message: string) => void
  /** Those in force; their rates go on where the next configuration has the same. */
  readonly before?: Pricers
}

/** How long the last reports to price servers may take. */
const DRAIN_MS = 3_000

/** A source of rates may take so long. */
const RATE_TIMEOUT_MS = 5_000

/** Makes the pricers. Throws {@link CommandError} where a secret cannot be read. */
export async function openPricers(config: Config, { warn, before }: PricersParts): Promise<Pricers> {
  const client = jsonClient()
  const made = new Map<RouteConfig, Pricer>()
  const rates = ratesOf(config, warn, before?.rates)
  const servers = new Map<string, PricesClient>()
  const reports = usageReports({
    onLost: (total) => warn(`usage: a report to a price server is lost, ${total} so far`),
  })
  const routes = config.services.flatMap((service) => service.routes)
  // gRPC is a fifth of what a start costs, and few have a price server.
  const grpc = routes.some(({ price }) => price?.kind === 'grpc')
    ? await import('./prices-client.ts')
    : undefined
  try {
    for (const route of routes) {
      const pricer = pricerOf(route, config, { client, rates: rates?.book, reports, servers, grpc })
      if (pricer !== undefined) made.set(route, pricer)
    }
  } catch (error) {
    await Promise.all([client.close(), drop(rates)])
    throw error
  }
  if (rates !== undefined && rates !== before?.rates) {
    // The first customer should find a rate. Without one he gets a 503, and the gateway serves all the rest.
    await rates.book.refresh()
    rates.book.start()
  }
  async function close(): Promise<void> {
    await reports.drain(DRAIN_MS)
    for (const prices of servers.values()) prices.close()
    await Promise.all([client.close(), drop(rates)])
  }
  let closed: Promise<void> | undefined
  return {
    rates,
    of: (route) => made.get(route),
    close() {
      closed ??= close()
      return closed
    },
  }
}

async function drop(rates: HeldRates | undefined): Promise<void> {
  if (rates === undefined) return
  rates.users--
  if (rates.users > 0) return
  rates.book.close()
  await rates.client.close()
}

function ratesOf(
  config: Config,
  warn: (message: string) => void,
  before: HeldRates | undefined,
): HeldRates | undefined {
  const currencies = new Set<string>()
  for (const { routes } of config.services)
    for (const { price } of routes) if (price?.kind === 'fiat') currencies.add(price.currency)
  if (config.rates === undefined || currencies.size === 0) return undefined
  const madeFrom = JSON.stringify([config.rates, [...currencies].sort()])
  if (before?.madeFrom === madeFrom) {
    before.users++
    return before
  }
  const client = jsonClient()
  const book = rateBook({
    ...config.rates,
    currencies: [...currencies],
    timeoutMs: RATE_TIMEOUT_MS,
    fetchJson: (url, signal) => client.ask({ url, signal }),
    onFault: (source, detail) => warn(`rates: ${source}: ${detail}`),
  })
  return { book, client, madeFrom, users: 1 }
}

function pricerOf(
  { price }: RouteConfig,
  { folder }: Config,
  { client, rates, reports, servers, grpc }: Means,
): Pricer | undefined {
  switch (price?.kind) {
    case undefined:
      return undefined
    case 'fiat':
      return fiatPricer(price.text, { rates: rates ?? NO_RATES, mostMsat: price.mostMsat })
    case 'expr':
      return expressionPricer(price.text, { mostMsat: price.mostMsat })
    case 'hook': {
      const { secretFile } = price
      const secret = secretFile === undefined ? undefined : readSecret(resolve(folder, secretFile))
      return hookPricer(price, { client, secret })
    }
    case 'grpc': {
      const { address, tls } = price
      const caFile = tls?.caFile === undefined ? undefined : resolve(folder, tls.caFile)
      const key = JSON.stringify([address, caFile, tls])
      let prices = servers.get(key)
      if (prices === undefined) {
        if (grpc === undefined) throw new Error('the client of price servers is not loaded')
        prices = readable(caFile, () => grpc.pricesClient(address, tls && { ...tls, caFile }))
        servers.set(key, prices)
      }
      return grpcPricer(price, { client: prices, reports })
    }
  }
}

/** What pricers are made with. */
interface Means {
  readonly client: JsonClient
  readonly rates: RateBook | undefined
  readonly reports: UsageReports
  /** One connection to each price server. */
  readonly servers: Map<string, PricesClient>
  /** Loaded where a route has one. */
  readonly grpc: typeof import('./prices-client.ts') | undefined
}

function readable<T>(file: string | undefined, open: () => T): T {
  try {
    return open()
  } catch {
    throw new CommandError(
      exitCode.config,
      `turnpike: ${file}: cannot be read, expected a certificate in PEM`,
    )
  }
}

const NO_RATES: Pick<RateBook, 'rateOf'> = { rateOf: () => undefined }

/** A secret as it stands in its file, or `whsec_` and base64. */
function readSecret(file: string): Buffer {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch {
    throw new CommandError(
      exitCode.config,
      `turnpike: ${file}: cannot be read, expected the secret of a pricing hook`,
    )
  }
  const secret = text.startsWith('whsec_') ? Buffer.from(text.slice(6), 'base64') : Buffer.from(text)
  if (secret.length < 16)
    throw new CommandError(exitCode.config, `turnpike: ${file}: expected a secret of at least 16 bytes`)
  return secret
}
