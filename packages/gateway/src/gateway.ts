/** A whole gateway: its parts started in order, exchanged on reload, stopped in reverse. */

import { isL402Error } from '@turnpike/l402'
import type { MasterKey } from '@turnpike/l402/server'
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
import { listenOn } from './listen.ts'
import { describeError } from './log.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { watchGate, watchLedger } from './metrics/watched.ts'
import { createDataPlane, createPublicServer, drainServers } from './proxy/index.ts'
import { requestHooks } from './request-hooks.ts'
import { type SampleApi, startSampleApi } from './sample/sample-api.ts'

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
  let loadedAt = Date.now()
  let draining = false
  try {
    const opened = await openLedger(config, (message) => log.warn(message)).catch(unavailable)
    closers.push(() => opened.close())
    const storedKeys = await openStoredKeys(config).catch(unavailable)
    closers.push(async () => storedKeys?.close())
    const lightning = await openLightning(config, { env, warn: (message) => log.warn(message) }).catch(
      unavailable,
    )
    closers.push(() => lightning.invoices.close())

    const metrics: Metrics = createMetrics({
      inFlight: () => plane.inFlight(),
      cachedVerdicts: () => gate.cachedVerdicts,
      configLoadedAt: () => loadedAt / 1000,
    })
    const ledger = watchLedger(opened, metrics)
    const gate = watchGate(buildGate(config, { ledger, lightning, keys, storedKeys }), metrics)

    let sample: SampleApi | undefined
    const sampleFor = async (wanted: Config): Promise<string | undefined> => {
      if (!wanted.services.some((service) => service.upstream === sampleUpstream)) return sample?.url
      sample ??= await startSampleApi()
      return sample.url
    }
    closers.push(async () => sample?.close())
    const routing = buildRouting(config, await sampleFor(config))
    const hooks = requestHooks({ log, metrics, logging: () => config.log.requests })
    const plane = createDataPlane({ routing, gate, hooks, trustedProxies: () => proxies })
    closers.push(() => plane.close())

    const servers = config.listen.map(() => createPublicServer(plane))
    const listen: string[] = []
    for (const [index, server] of servers.entries()) {
      const address = config.listen[index]
      if (address !== undefined) listen.push(await listenOn(server, address))
      closers.push(async () => {
        server.close()
        server.closeAllConnections()
      })
    }
    const admin = await startAdmin({
      listen: config.admin.listen,
      api: adminApi({ ledger, token: adminToken(config.admin.tokenFile) }),
      readiness: readinessProbe(
        { store: () => ledger.ping(), lightning: () => lightning.invoices.ping() },
        () => draining,
      ),
      metrics,
      sandbox: lightning.wallet,
      log,
    })
    closers.push(() => admin.close())

    return {
      listen,
      admin: admin.url,
      async reload(next, nextKeys) {
        const nextRouting = buildRouting(next, await sampleFor(next))
        const nextGate = buildGate(next, { ledger, lightning, keys: nextKeys, storedKeys })
        plane.swap(nextRouting)
        gate.switchTo(nextGate)
        log.level = next.log.level
        config = next
        proxies = trustedProxies(next)
        loadedAt = Date.now()
      },
      async stop() {
        draining = true
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

/** Whether an address is one of the operator's own proxies; `undefined` where there are none. */
function trustedProxies({ trustedProxies: blocks }: Config): ((address: string) => boolean) | undefined {
  return blocks.length === 0 ? undefined : addressBlocks(blocks)
}

/** Exit code 69 for what cannot be reached, 78 for play money where it must not be. */
function unavailable(error: unknown): never {
  if (!isL402Error(error)) throw error
  const code = error.code === 'sandbox_forbidden' ? exitCode.config : exitCode.unavailable
  throw new CommandError(code, `turnpike: ${error.message}`)
}
