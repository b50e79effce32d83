/** Forward-auth: other proxies carry the requests and ask this gateway whether they may go on. */

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
  /** Takes no more questions and answers those that run; what is held for an outcome counts. */
  close(): Promise<void>
}

/** Starts listening. Throws `CommandError` where an address cannot be had. */
export async function startForwardAuth(options: ForwardAuthOptions): Promise<ForwardAuth> {
  const { config, plane, trusted, fault } = options
  const outcomes = createOutcomes()
  const server = createAuthServer({ plane, outcomes, trusted, fault })
  const url = await listenOn(server, config.listen)
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 500).unref()
    await closed
    await outcomes.close()
  }
  try {
    const envoy =
      config.envoy === undefined
        ? undefined
        : await startEnvoyServer({ listen: config.envoy, plane, trusted, fault })
    let closing: Promise<unknown> | undefined
    return {
      url,
      envoy: envoy?.address,
      async close() {
        closing ??= Promise.all([close(), envoy?.close()])
        await closing
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
