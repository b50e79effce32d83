/** A whole gateway: its parts started in order, exchanged on reload, stopped in reverse. */

import { isL402Error } from '@turnpike/l402'
import { type LimitAuthority, localLimits, type MasterKey, type SalesWatcher } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { openAccessLog } from './access/access-log.ts'
import type { Control } from './admin/control.ts'
import {
  addressBlocks,
  buildGate,
  buildRouting,
  type OpenLightning,
  openLedger,
  openLightning,
  openStoredKeys,
} from './assemble.ts'
import { CommandError, exitCode } from './cli/exit.ts'
import { type Config, sampleUpstream } from './config/config.ts'
import { sellsOnDelivery } from './config/hold.ts'
import { deniedAddresses } from './config/limits.ts'
import type { TlsConfig } from './config/tls.ts'
import { startControl } from './control.ts'
import { type ForwardAuth, startForwardAuth } from './forward-auth/index.ts'
import type { HoldDesk } from './holds/hold-desk.ts'
import type { HoldJournal } from './holds/hold-journal.ts'
import { holdJournalOf, openHoldDesk } from './holds/open.ts'
import { listenOn } from './listen.ts'
import { describeError } from './log.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { watchReceivable } from './metrics/receivable.ts'
import { watchGate, watchLedger } from './metrics/watched.ts'
import { watchLightning } from './metrics/watched-lightning.ts'
import { pricedHook } from './pricing/priced-hook.ts'
import { openPricers, type Pricers } from './pricing/pricers.ts'
import {
  createDataPlane,
  createPublicServer,
  drainServers,
  expectProxyHeader,
  type TlsMaterial,
  unwellServices,
} from './proxy/index.ts'
import { requestHooks } from './request-hooks.ts'
import { openSalesDesk } from './sales/sales-desk.ts'
import { type SampleApi, startSampleApi } from './sample/sample-api.ts'
import { openSessions } from './sessions.ts'
import { readTlsMaterial, watchTls } from './tls-files.ts'
import { traceLedger, traceLightning } from './tracing/traced.ts'

/** What a gateway is started with. */
export interface GatewayParts {
  /** The newest last. */
  readonly keys: readonly MasterKey[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  /** What the admin API may change; left out: nothing. */
  readonly control?: Control
  /** In a worker: what the main process does for all of them. Then there is no admin listener here. */
  readonly host?: GatewayHost
}

/** What one process does for several that serve. */
interface GatewayHost {
  readonly lightning: OpenLightning
  readonly limits: LimitAuthority
  /** Told of what this process sells. */
  readonly sales: SalesWatcher
  /** Where payments on delivery are written down. */
  readonly holds: HoldJournal
  /** Of the built-in sample API, where a service uses it. */
  sampleUrl(): string | undefined
}

/** A gateway that serves. */
export interface Gateway {
  /** The public URLs, with real ports. */
  readonly listen: readonly string[]
  /** Empty in a worker. */
  readonly admin: string
  /** Where other proxies ask, if they do: over HTTP, and Envoy over gRPC. */
  readonly forwardAuth: Pick<ForwardAuth, 'url' | 'envoy'> | undefined
  /** Puts routes, prices, limits, time-outs and keys of `next` in force. Throws, and changes nothing, if it cannot. */
  reload(next: Config, keys: readonly MasterKey[]): Promise<void>
  /** Opens log files anew. */
  reopenLogs(): void
  /** Lets what runs finish within the configured time; answers whether all of it did. */
  stop(): Promise<boolean>
}

/** A gateway whose requests are served by this very process. */
export interface ServingGateway extends Gateway {
  readonly metrics: Pick<Metrics, 'values'>
  /** The first half of `reload`: what is answered puts `next` in force, at once and without fail. */
  prepare(next: Config, keys: readonly MasterKey[]): Promise<() => void>
}

/** Starts everything. Throws {@link CommandError} with the exit code of what could not be started. */
export async function startGateway(first: Config, parts: GatewayParts): Promise<ServingGateway> {
  const { keys, env, log, host, control } = parts
  const closers = new Closers(log)
  const warn = (message: string): void => log.warn(message)
  let config = first
  let proxies = trustedProxies(first)
  let denied = deniedAddresses(first.access)
  const limits = host?.limits ?? localLimits()
  let loadedAt = Date.now()
  let draining = false
  let holds: HoldDesk | undefined
  let keysInForce = keys
  try {
    const metrics: Metrics = createMetrics({
      inFlight: () => plane.inFlight(),
      connections: () => servers.reduce((sum, { connections }) => sum + connections, 0),
      cachedVerdicts: () => gate.cachedVerdicts,
      verdictLookups: () => gate.verdictLookups,
      configLoadedAt: () => loadedAt / 1000,
      upstreams: () => plane.upstreams(),
    })
    const onBatch = ({ operations, durationMs }: { operations: number; durationMs: number }): void =>
      metrics.ledgerBatch(operations, durationMs / 1000)
    const opened = await openLedger(config, { warn, onBatch }).catch(unavailable)
    closers.add(() => opened.close())
    const storedKeys = await openStoredKeys(config).catch(unavailable)
    closers.add(async () => storedKeys?.close())
    const found = host?.lightning ?? (await openLightning(config, { env, warn }).catch(unavailable))
    closers.add(() => found.invoices.close())
    // Loaded only where it is wanted: it costs some megabytes.
    const tracing =
      config.tracing && (await import('./tracing/tracing.ts')).startTracing(config.tracing, warn)
    closers.add(async () => tracing?.close())
    const accessLog = await openAccessLog(config.log.access, warn)
    closers.add(async () => accessLog?.close())

    // What the main process does is timed there.
    const timed = host === undefined ? watchLightning(found.invoices, metrics) : found.invoices
    const invoices = traceLightning(timed, tracing)
    const lightning: OpenLightning = { invoices, wallet: found.wallet }
    const ledger = traceLedger(watchLedger(opened, metrics), tracing)
    const desk =
      host === undefined
        ? await openSalesDesk({ ledger, lightning: found.invoices, metrics, config, log }).catch(unavailable)
        : undefined
    closers.add(async () => desk?.close())
    const sales = host?.sales ?? desk?.watcher
    const onPriced = pricedHook({ metrics, log })
    const { network } = found.invoices
    const deposits = await openSessions(config, { ledger, network, log }).catch(unavailable)
    closers.add(async () => deposits?.close())
    const shared = {
      ledger,
      lightning,
      storedKeys,
      limits,
      onPriced,
      ...(sales === undefined ? {} : { sales }),
      ...(deposits === undefined ? {} : { sessions: deposits.sessions }),
    }
    const gate = watchGate(buildGate(config, { ...shared, keys }), metrics)
    let pricers = await openPricers(config, { warn })
    closers.add(() => pricers.close())

    const sample =
      host === undefined ? ownSample() : { urlFor: async () => host.sampleUrl(), close: async () => {} }
    closers.add(() => sample.close())
    const routing = buildRouting(config, await sample.urlFor(config), { pricerOf: pricers.of, network })
    const hooks = requestHooks({ log, metrics, logging: () => config.log.requests, accessLog })
    const plane = createDataPlane({
      routing,
      gate,
      hooks,
      holds: { keep: async (request, sale) => (await holds?.keep(request, sale)) ?? false },
      trustedProxies: () => proxies,
      denied: () => denied,
      tracer: tracing,
    })
    closers.add(() => plane.close())
    /** From the first configuration on that sells on delivery; what is open then is seen through whatever comes after it. */
    const openHolds = async (wanted: Config): Promise<void> => {
      if (holds !== undefined || !sellsOnDelivery(wanted)) return
      const journal = host?.holds ?? (await holdJournalOf(wanted).catch(unavailable))
      const desk = openHoldDesk(journal, {
        ...{ lightning: invoices, plane: () => plane, warn },
        keys: () => keysInForce,
      })
      holds = desk
      closers.add(() => desk.stop())
    }
    await openHolds(config)

    const material = config.tls === undefined ? undefined : tlsMaterial(config.tls)
    const servers = config.listen.map(({ tls }) =>
      createPublicServer(plane, tls === true && material !== undefined ? { tls: material } : {}),
    )
    const certificates = watchTls({
      renewed: (next) => {
        for (const server of servers) server.renewTls(next)
      },
      failed: (message) => log.error(`certificate not reloaded, the old one stays in force: ${message}`),
    })
    certificates.follow(config.tls)
    closers.add(async () => certificates.close())
    const listen: string[] = []
    for (const [index, server] of servers.entries()) {
      const address = config.listen[index]
      if (address?.proxyProtocol === true)
        expectProxyHeader(server.listener, { trusted: (peer) => proxies?.(peer) === true })
      if (address !== undefined) listen.push(await listenOn(server.listener, address))
      closers.add(async () => {
        void server.close()
        server.closeAllConnections()
      })
    }
    const forwardAuth =
      config.forwardAuth === undefined
        ? undefined
        : await startForwardAuth({
            config: config.forwardAuth,
            plane,
            trusted: addressBlocks(config.forwardAuth.trusted),
            fault: (code, error, route) => hooks.fault?.(code, error, route),
          })
    closers.add(async () => forwardAuth?.close())
    // Of the one process that holds the node.
    const receivable =
      host === undefined
        ? watchReceivable({ backend: found.invoices, config: () => config, metrics, log })
        : undefined
    closers.add(async () => receivable?.close())
    const admin =
      desk === undefined
        ? undefined
        : await startControl({
            ...{ config, ledger, invoices, wallet: lightning.wallet, metrics, desk, control, log },
            isDraining: () => draining,
            lightningWarning: () => receivable?.warning(),
            unwellServices: () => unwellServices(plane.upstreams()),
          })
    closers.add(async () => admin?.close())

    const prepare: ServingGateway['prepare'] = async (next, nextKeys) => {
      const sampleUrl = await sample.urlFor(next)
      const nextGate = buildGate(next, { ...shared, keys: nextKeys })
      const nextDesk = desk?.prepare(next)
      const nextPricers = await openPricers(next, { warn, before: pricers })
      const nextRouting = buildRouting(next, sampleUrl, { pricerOf: nextPricers.of, network })
      await openHolds(next)
      return () => {
        plane.swap(nextRouting)
        gate.switchTo(nextGate)
        retire(pricers)
        pricers = nextPricers
        nextDesk?.()
        certificates.follow(next.tls)
        log.level = next.log.level
        config = next
        keysInForce = nextKeys
        proxies = trustedProxies(next)
        denied = deniedAddresses(next.access)
        loadedAt = Date.now()
      }
    }
    return {
      listen,
      admin: admin?.url ?? '',
      forwardAuth,
      metrics,
      prepare,
      reload: async (next, nextKeys) => (await prepare(next, nextKeys))(),
      reopenLogs: () => accessLog?.reopen(),
      async stop() {
        draining = true
        forwardAuth?.stop()
        const [finished] = await Promise.all([
          drainServers(servers, plane, config.drainTimeoutMs),
          holds?.stop(config.drainTimeoutMs),
        ])
        await closers.closeAll()
        return finished
      },
    }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

/** Requests under way may still ask for a price under the routes that they began with. */
function retire(pricers: Pricers): void {
  setTimeout(() => void pricers.close().catch(() => {}), 30_000).unref()
}

/** What is to be closed at the end, in reverse. */
export class Closers {
  readonly #log: Logger
  readonly #all: (() => Promise<unknown>)[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  add(close: () => Promise<unknown>): void {
    this.#all.push(close)
  }

  /** Never throws. */
  async closeAll(): Promise<void> {
    for (const close of this.#all.splice(0).reverse()) {
      await close().catch((error: unknown) =>
        this.#log.error({ fault: describeError(error) }, 'closing failed'),
      )
    }
  }
}

/** The built-in sample API, started when a configuration first wants it. */
export function ownSample(): { urlFor(wanted: Config): Promise<string | undefined>; close(): Promise<void> } {
  let running: SampleApi | undefined
  return {
    async urlFor(wanted) {
      if (wanted.services.some((service) => service.upstreams.includes(sampleUpstream)))
        running ??= await startSampleApi()
      return running?.url
    },
    close: async () => running?.close(),
  }
}

/** Whether an address is one of the operator's own proxies; `undefined` where there are none. */
function trustedProxies({ trustedProxies: blocks }: Config): ((address: string) => boolean) | undefined {
  return blocks.length === 0 ? undefined : addressBlocks(blocks)
}

/** Throws {@link CommandError} for files that changed since the configuration was read, and are not right now. */
function tlsMaterial(config: TlsConfig): TlsMaterial {
  const read = readTlsMaterial(config)
  if ('fault' in read) throw new CommandError(exitCode.config, `tls.${read.key}: ${read.fault}`)
  return read
}

/** Exit code 69 for what cannot be reached, 78 for play money where it must not be. */
export function unavailable(error: unknown): never {
  if (!isL402Error(error)) throw error
  const code = error.code === 'sandbox_forbidden' ? exitCode.config : exitCode.unavailable
  throw new CommandError(code, `turnpike: ${error.message}`)
}
