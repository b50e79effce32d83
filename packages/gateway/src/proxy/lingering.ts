/** Ending kept connections without cutting off a request that is on its way. */

import { Server as NetServer, type Server } from 'node:net'

/** How long a kept connection may be silent while draining before it is closed without an answer that says so. */
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
 * Waits until every kept connection has had an answer with `Connection: close` and is gone, or none has asked anything for a
 * while. `isBusy` says whether a request is under way.
 */
export async function lingerUntilQuiet(servers: readonly Server[], isBusy: () => boolean): Promise<void> {
  let quietSince = performance.now()
  for (;;) {
    if (isBusy()) quietSince = performance.now()
    else if ((await openConnections(servers)) === 0 || performance.now() - quietSince > LINGER_MS) return
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
