/** A whole gateway: its parts started in order, exchanged on reload, stopped in reverse. */

import { isL402Error } from '@turnpike/l402'
import { localLimits, type MasterKey } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { adminApi } from './admin/admin-api.ts'
import { startAdmin } from './admin/admin-server.ts'
import { adminToken } from './admin/admin-token.ts'
import { readinessProbe } from './admin/readiness.ts'
import {
  addressBlocks,
  buildGate,
  buildRouting,
  openLedger,
  openLightning,
  openStoredKeys,
} from './assemble.ts'
import { CommandError, exitCode } from './cli/exit.ts'
import { type Config, sampleUpstream } from './config/config.ts'
import { deniedAddresses } from './config/limits.ts'
import type { TlsConfig } from './config/tls.ts'
import { type ForwardAuth, startForwardAuth } from './forward-auth/index.ts'
import { listenOn } from './listen.ts'
import { describeError } from './log.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { watchGate, watchLedger } from './metrics/watched.ts'
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
import { type SampleApi, startSampleApi } from './sample/sample-api.ts'
import { readTlsMaterial, watchTls } from './tls-files.ts'

/** What a gateway is started with. */
export interface GatewayParts {
  /** The newest last. */
  readonly keys: readonly MasterKey[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
}

/** A gateway that serves. */
export interface Gateway {
  /** The public URLs, with real ports. */
  readonly listen: readonly string[]
  readonly admin: string
  /** Where other proxies ask, if they do: over HTTP, and Envoy over gRPC. */
  readonly forwardAuth: Pick<ForwardAuth, 'url' | 'envoy'> | undefined
  /** Puts routes, prices, limits, time-outs and keys of `next` in force. Throws, and changes nothing, if it cannot. */
  reload(next: Config, keys: readonly MasterKey[]): Promise<void>
  /** Lets what runs finish within the configured time; answers whether all of it did. */
  stop(): Promise<boolean>
}

/** Starts everything. Throws {@link CommandError} with the exit code of what could not be started. */
export async function startGateway(first: Config, { keys, env, log }: GatewayParts): Promise<Gateway> {
  const closers: (() => Promise<unknown>)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      await close().catch((error: unknown) => log.error({ fault: describeError(error) }, 'closing failed'))
    }
  }
  let config = first
  let proxies = trustedProxies(first)
  let denied = deniedAddresses(first.access)
  const limits = localLimits()
  let loadedAt = Date.now()
  let draining = false
  try {
    const opened = await openLedger(config, (message) => log.warn(message)).catch(unavailable)
    closers.push(() => opened.close())
    const storedKeys = await openStoredKeys(config).catch(unavailable)
    closers.push(async () => storedKeys?.close())
    const lightning = await openLightning(config, env).catch(unavailable)
    closers.push(() => lightning.invoices.close())

    const metrics: Metrics = createMetrics({
      inFlight: () => plane.inFlight(),
      cachedVerdicts: () => gate.cachedVerdicts,
      configLoadedAt: () => loadedAt / 1000,
      upstreams: () => plane.upstreams(),
    })
    const ledger = watchLedger(opened, metrics)
    const onPriced = pricedHook({ metrics, log })
    const shared = { ledger, lightning, storedKeys, limits, onPriced }
    const gate = watchGate(buildGate(config, { ...shared, keys }), metrics)
    const warn = (message: string): void => log.warn(message)
    let pricers = await openPricers(config, { warn })
    closers.push(() => pricers.close())

    let sample: SampleApi | undefined
    const sampleFor = async (wanted: Config): Promise<string | undefined> => {
      if (!wanted.services.some((service) => service.upstreams.includes(sampleUpstream))) return sample?.url
      sample ??= await startSampleApi()
      return sample.url
    }
    closers.push(async () => sample?.close())
    const routing = buildRouting(config, await sampleFor(config), { pricerOf: pricers.of })
    const hooks = requestHooks({ log, metrics, logging: () => config.log.requests })
    const plane = createDataPlane({
      routing,
      gate,
      hooks,
      trustedProxies: () => proxies,
      denied: () => denied,
    })
    closers.push(() => plane.close())

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
    closers.push(async () => certificates.close())
    const listen: string[] = []
    for (const [index, server] of servers.entries()) {
      const address = config.listen[index]
      if (address?.proxyProtocol === true)
        expectProxyHeader(server.listener, { trusted: (peer) => proxies?.(peer) === true })
      if (address !== undefined) listen.push(await listenOn(server.listener, address))
      closers.push(async () => {
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
    closers.push(async () => forwardAuth?.close())
    const admin = await startAdmin({
      listen: config.admin.listen,
      api: adminApi({ ledger, token: adminToken(config.admin.tokenFile) }),
      readiness: readinessProbe(
        { store: () => ledger.ping(), lightning: () => lightning.invoices.ping() },
        () => draining,
      ),
      unwellServices: () => unwellServices(plane.upstreams()),
      metrics,
      sandbox: lightning.wallet,
      log,
    })
    closers.push(() => admin.close())

    return {
      listen,
      admin: admin.url,
      forwardAuth,
      async reload(next, nextKeys) {
        const sampleUrl = await sampleFor(next)
        const nextGate = buildGate(next, { ...shared, keys: nextKeys })
        const nextPricers = await openPricers(next, { warn, before: pricers })
        const nextRouting = buildRouting(next, sampleUrl, { pricerOf: nextPricers.of })
        plane.swap(nextRouting)
        gate.switchTo(nextGate)
        retire(pricers)
        pricers = nextPricers
        certificates.follow(next.tls)
        log.level = next.log.level
        config = next
        proxies = trustedProxies(next)
        denied = deniedAddresses(next.access)
        loadedAt = Date.now()
      },
      async stop() {
        draining = true
        forwardAuth?.stop()
        const finished = await drainServers(servers, plane, config.drainTimeoutMs)
        await closeAll()
        return finished
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Requests under way may still ask for a price under the routes that they began with. */
function retire(pricers: Pricers): void {
  setTimeout(() => void pricers.close().catch(() => {}), 30_000).unref()
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
function unavailable(error: unknown): never {
  if (!isL402Error(error)) throw error
  const code = error.code === 'sandbox_forbidden' ? exitCode.config : exitCode.unavailable
  throw new CommandError(code, `turnpike: ${error.message}`)
}
