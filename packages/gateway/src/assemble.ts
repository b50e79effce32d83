/** From a configuration to the parts it is made of: which ledger, which backend, which gate, which routes. */

import { BlockList, isIP } from 'node:net'
import { isL402Error } from '@turnpike/l402'
import { dpopVerifier } from '@turnpike/l402/dpop'
import type { InvoiceBackend, Network } from '@turnpike/l402/lightning'
import { failover } from '@turnpike/l402/lightning/failover'
import { findKind, type OpenContext } from '@turnpike/l402/lightning/kinds'
import { sandboxLightning, sandboxRoutes } from '@turnpike/l402/lightning/sandbox'
import {
  compileRoutes,
  createGate,
  type Gate,
  keyRing,
  type LimitAuthority,
  type MasterKey,
  PAGE_PATH,
  type PricedEvent,
  type Pricer,
  type RouteSpec,
  routePolicy,
  type SalesWatcher,
  type Sessions,
  type StoredRootKeys,
  withServicePolicy,
} from '@turnpike/l402/server'
import { apertureSecrets } from '@turnpike/l402/store/aperture'
import { memoryStore } from '@turnpike/l402/store/memory'
import { postgresStore } from '@turnpike/l402/store/postgres'
import { redisStore } from '@turnpike/l402/store/redis'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import type { SandboxRoutes } from './admin/admin-server.ts'
import { CommandError, exitCode } from './cli/exit.ts'
import { checkSellable } from './config/amounts.ts'
import type { Config, LightningConfig, RouteConfig, ServiceConfig } from './config/config.ts'
import { sellsOnDelivery } from './config/hold.ts'
import { ConfigError, type Position } from './config/issue.ts'
import { offerOf } from './config/limits.ts'
import { routeSpec } from './config/match.ts'
import { destinationOf } from './destination.ts'
import { documentsOf } from './discovery/of-config.ts'
import type { Ledger } from './metrics/watched.ts'
import type { HostTable, ProxyRoute, Routing } from './proxy/index.ts'

/** What says a route's price; `undefined` where it is fixed. */
export type PricerOf = (route: RouteConfig) => Pricer | undefined

/** A Lightning backend and, on the sandbox, the wallet beside it. */
export interface OpenLightning {
  readonly invoices: InvoiceBackend
  readonly wallet: SandboxRoutes | undefined
}

/** Told of a batch of ledger operations that became durable together. */
type BatchListener = (batch: { readonly operations: number; readonly durationMs: number }) => void

/** Opens the books; `warn` is told what they may lose. Throws `store_unavailable` or `store_incompatible`. */
export async function openLedger(
  { store }: Config,
  { warn, onBatch }: { readonly warn: (message: string) => void; readonly onBatch: BatchListener },
): Promise<Ledger> {
  switch (store.kind) {
    case 'memory':
      return memoryStore()
    case 'sqlite':
      return sqliteStore({ file: store.file, onBatch })
    case 'postgres':
      return postgresStore({ url: store.url, onBatch })
    case 'redis':
      return redisStore({ url: store.url, onWarning: warn, onBatch })
  }
}

/** Opens Aperture's database, where the configuration names one. Throws like {@link openLedger}. */
export async function openStoredKeys({ keys: { aperture } }: Config): Promise<StoredRootKeys | undefined> {
  if (aperture === undefined) return undefined
  return apertureSecrets(aperture.kind === 'sqlite' ? { file: aperture.file } : { url: aperture.url })
}

/**
 * Opens the Lightning backends; several are asked in order. One that cannot be reached now is tried again later, as
 * long as another works. Throws `ConfigError` where a backend is there and is not what the file says (another network, a
 * setting that only it can judge), else `lightning_unavailable`, `lightning_invalid` or `sandbox_forbidden`.
 */
export async function openLightning(
  config: Config,
  {
    env,
    warn,
  }: {
    readonly env: Readonly<Record<string, string | undefined>>
    readonly warn: (message: string) => void
  },
): Promise<OpenLightning> {
  const { network, lightning } = config
  const context = network === undefined ? {} : { network }
  if (lightning[0]?.backend === 'sandbox') {
    const sandbox = await sandboxLightning({ env, ...context })
    return { invoices: sandbox, wallet: sandboxRoutes(sandbox) }
  }
  // Once it serves, a backend that is not as the file says is one of several that does not work.
  let starting = true
  const wrong = (position: Position) => (error: unknown) => {
    throw (starting && misfit(config, position, error)) || error
  }
  const openers = lightning.map((one) => ({
    name: one.backend,
    open: () => openBackend(one, context).catch(wrong(one.position)),
  }))
  const [only] = openers
  const first = lightning[0]?.position ?? { line: 1, column: 1 }
  const invoices =
    only === undefined || openers.length > 1
      ? await failover({ backends: openers, onEvent: warn }).catch(wrong(first))
      : await only.open()
  starting = false
  // Of several, it has told them itself.
  if (openers.length === 1) for (const warning of invoices.warnings ?? []) warn(warning)
  return { invoices, wallet: undefined }
}

async function openBackend(
  { backend, settings }: LightningConfig,
  context: OpenContext,
): Promise<InvoiceBackend> {
  const kind = findKind(backend, 'receive')
  if (kind?.openInvoices === undefined) throw new Error(`no backend ${backend}`)
  return await kind.openInvoices(settings, context)
}

/** A backend that is there, and is not what the file says; `undefined` for what is no fault of the file. */
function misfit({ file, network }: Config, position: Position, error: unknown): ConfigError | undefined {
  // A setting that only the backend itself can judge.
  if (error instanceof TypeError || error instanceof RangeError)
    return new ConfigError(file, [{ position, message: `lightning: ${error.message}` }])
  if (!isL402Error(error, 'lightning_invalid') || !('network' in error.details)) return undefined
  const said = network === undefined ? '' : ' as "network" says'
  return new ConfigError(file, [{ position, message: `lightning: ${error.message}${said}` }])
}

/** One process does not see what others redeem, so it asks the node sooner whether a challenge that it has out is paid. */
const SHARED_RECHECK_MS = 100

/** Whether no other process can sell from the same books. */
function servesAlone({ workers, store }: Config): boolean {
  return workers === 1 && (store.kind === 'memory' || store.kind === 'sqlite')
}

/** The gate of a configuration. */
export function buildGate(
  config: Config,
  parts: {
    readonly ledger: Ledger
    readonly lightning: OpenLightning
    readonly keys: readonly MasterKey[]
    readonly storedKeys: StoredRootKeys | undefined
    /** Counts over reloads; of this gate alone if left out. */
    readonly limits?: LimitAuthority
    readonly onPriced?: (event: PricedEvent) => void
    /** Told of sales, for the journal. */
    readonly sales?: SalesWatcher
    /** Over the same ledger. */
    readonly sessions?: Sessions
  },
): Gate {
  const { limit, exempt, invoiceExpirySeconds, economics } = config.challenges
  const { reuse, global, breaker } = economics
  if (config.strict && !parts.lightning.invoices.invoiceCapabilities.looksUp)
    throw new CommandError(
      exitCode.config,
      'turnpike: lightning.strict: this backend cannot say whether an invoice is settled, expected one that can',
    )
  if (sellsOnDelivery(config) && parts.lightning.invoices.invoiceCapabilities.holds !== true)
    throw new CommandError(
      exitCode.config,
      'turnpike: a route has "hold: true", and this Lightning backend holds no payments: expected one that does, such as lnd',
    )
  checkSellable(config, parts.lightning.invoices)
  return createGate({
    lightning: parts.lightning.invoices,
    ledger: parts.ledger,
    keys: keyRing(parts.keys),
    amounts: config.amounts,
    ...(parts.storedKeys === undefined ? {} : { storedKeys: parts.storedKeys }),
    ...(parts.onPriced === undefined ? {} : { onPriced: parts.onPriced }),
    services: Object.fromEntries(
      config.services.map(({ name, tier, unknownCaveats, page, access: { block, allow } }) => [
        name,
        { tier, unknownCaveats, page, block, ...(allow === undefined ? {} : { allow }) },
      ]),
    ),
    ...(parts.limits === undefined ? {} : { limits: parts.limits }),
    challengeLimit: {
      limit: limit?.count ?? null,
      perSeconds: limit?.windowSeconds ?? 1,
      exempt: addressBlocks(exempt),
    },
    challenges: {
      global: global === null ? null : { limit: global.count, perSeconds: global.windowSeconds },
      reuse: reuse && (servesAlone(config) ? {} : { recheckMs: SHARED_RECHECK_MS }),
      node: breaker,
    },
    invoiceExpirySeconds,
    strict: config.strict,
    ...(config.lsat ? { location: 'lsat', lsat: true } : {}),
    payment: config.paymentScheme,
    bindBodies: true,
    ...(parts.sessions === undefined ? {} : { sessions: parts.sessions }),
    idempotency: config.idempotency,
    ...(parts.sales === undefined ? {} : { sales: parts.sales }),
    dpop: dpopVerifier(),
    page: config.page === false ? false : { ...config.page, formPath: PAGE_PATH },
  })
}

/** Whether an address is in one of these CIDR blocks; an IPv4 address may be written as an IPv6 one. */
export function addressBlocks(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const block of blocks) {
    const [network = '', prefix] = block.split('/')
    list.addSubnet(network, Number(prefix), isIP(network) === 6 ? 'ipv6' : 'ipv4')
  }
  return (address) => {
    const family = isIP(address)
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}

/**
 * The route tables of a configuration. The routes of services for the same hosts follow each other in the order
 * written; services without hosts serve every host that no other names. `network` is the backend's, which decides what challenges
 * offer.
 */
export function buildRouting(
  config: Config,
  sampleUrl: string | undefined,
  { pricerOf = () => undefined, network }: { readonly pricerOf?: PricerOf; readonly network?: Network } = {},
): Routing {
  const byHost = new Map<string, ServiceConfig[]>()
  for (const service of config.services) {
    for (const host of service.hosts.length === 0 ? [''] : service.hosts) {
      byHost.set(host, [...(byHost.get(host) ?? []), service])
    }
  }
  // Hosts with the same services share a table.
  const tables = new Map<string, { hosts: string[]; services: readonly ServiceConfig[] }>()
  for (const [host, services] of byHost) {
    const key = `${host === ''} ${services.map((service) => service.name).join(' ')}`
    const table = tables.get(key) ?? { hosts: [], services }
    table.hosts.push(host)
    tables.set(key, table)
  }
  return [...tables.values()].map(({ hosts, services }): HostTable => {
    const routes = compileRoutes(services.flatMap((service) => serviceRoutes(service, sampleUrl, pricerOf)))
    const table = { routes, ...optional('documents', documentsOf(config, services, network)) }
    return hosts[0] === '' ? table : { hosts, ...table }
  })
}

function serviceRoutes(
  service: ServiceConfig,
  sampleUrl: string | undefined,
  pricerOf: PricerOf,
): RouteSpec<ProxyRoute>[] {
  const destination = destinationOf(service, sampleUrl)
  return service.routes.map((route) =>
    routeSpec(route, {
      terms: withServicePolicy(
        {
          service: service.name,
          name: route.name,
          free: route.free,
          priceMsat: route.priceMsat,
          ...optional('pricer', pricerOf(route)),
          grants: route.grants,
          ...(route.charge === undefined ? {} : { charge: route.charge }),
          ...(route.conditions === undefined ? {} : { conditions: route.conditions }),
          capability: route.capability,
          ...optional('minted', service.mints),
          ...optional('memo', route.memo ?? (route.free ? undefined : service.memo)),
          ...(route.hold ? { hold: true } : {}),
          ...routePolicy(service.name, route.name, offerOf(route.policy)),
        },
        offerOf(service.policy),
      ),
      ...(service.cors === undefined ? {} : { cors: service.cors }),
      ...destination,
      ...(route.bodyLimit === undefined ? {} : { bodyLimit: route.bodyLimit }),
      timeoutMs: route.timeoutMs,
      forwardCredential: service.forwardCredential,
      allowEncodedSlash: route.allowEncodedSlash,
      keepOverrideHeaders: route.keepOverrideHeaders,
    }),
  )
}

function optional<const K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}
