/** Ending kept connections without cutting off a request that is on its way. */

import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'

/** How long a kept connection may be silent while draining. */
const LINGER_MS = 1_000
const LOOK_MS = 20

/**
 * Takes no more connections, and leaves those there are open: `http.Server.close` would end idle ones at once, and a request
 * that is on its way on one of them would be lost.
 */
export function stopListening(server: Server): void {
  if (server.listening) NetServer.prototype.close.call(server)
}

/**
 * Waits until no request is under way and no connection is left. A kept connection that asks something meanwhile gets its
 * answer with `Connection: close`; one that is silent for a second is closed.
 */
export async function lingerUntilQuiet(servers: readonly Server[], isBusy: () => boolean): Promise<void> {
  const silentUntil = performance.now() + LINGER_MS
  for (;;) {
    if (performance.now() > silentUntil) for (const server of servers) server.closeIdleConnections()
    if (!isBusy() && (await openConnections(servers)) === 0) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** How many connections these servers have. */
export async function openConnections(servers: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count))),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
