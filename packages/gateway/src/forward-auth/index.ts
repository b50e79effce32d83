/** Forward-auth: other proxies carry the requests and ask this gateway whether they may go on. */

import { once } from 'node:events'
import type { RouteTerms } from '@turnpike/l402/server'
import type { ForwardAuthConfig } from '../config/forward-auth.ts'
import { listenOn } from '../listen.ts'
import type { DataPlane } from '../proxy/index.ts'
import { createAuthServer } from './auth-server.ts'
import { startEnvoyServer } from './envoy-server.ts'
import { createOutcomes } from './outcomes.ts'

/** What {@link startForwardAuth} takes. */
export interface ForwardAuthOptions {
  readonly config: ForwardAuthConfig
  readonly plane: Pick<DataPlane, 'ask'>
  /** Whether an address may ask at all. */
  readonly trusted: (address: string) => boolean
  readonly fault: (code: string, error: unknown, route: RouteTerms) => void
}

/** The running listeners. */
export interface ForwardAuth {
  /** Where proxies ask over HTTP, with the real port. */
  readonly url: string
  /** `host:port` where Envoy asks, if it does. */
  readonly envoy: string | undefined
  /** Takes no more questions, and answers those that run. */
  stop(): void
  /** Cuts off what still runs; what is held for an outcome counts. */
  close(): Promise<void>
}

/** Starts listening. Throws `CommandError` where an address cannot be had. */
export async function startForwardAuth(options: ForwardAuthOptions): Promise<ForwardAuth> {
  const { config, plane, trusted, fault } = options
  const outcomes = createOutcomes()
  const server = createAuthServer({ plane, outcomes, trusted, fault })
  const url = await listenOn(server, config.listen)
  const stop = (): void => {
    server.close()
    server.closeIdleConnections()
  }
  const close = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : undefined
    stop()
    server.closeAllConnections()
    await closed
    await outcomes.close()
  }
  try {
    const envoy =
      config.envoy === undefined
        ? undefined
        : await startEnvoyServer({ listen: config.envoy, plane, trusted, fault })
    return {
      url,
      envoy: envoy?.address,
      stop() {
        stop()
        envoy?.stop()
      },
      async close() {
        envoy?.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
