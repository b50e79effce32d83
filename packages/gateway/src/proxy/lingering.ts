/** Ending kept connections without cutting off a request that is on its way. */

import type { PublicServer } from './public-server.ts'

/** How long a kept connection may be silent while draining. */
const LINGER_MS = 1_000
const LOOK_MS = 20

/**
 * Waits until no request is under way and no connection is left. A kept connection that asks something meanwhile gets its
 * answer with `Connection: close`; one that is silent for a second is closed.
 */
export async function lingerUntilQuiet(
  servers: readonly Pick<PublicServer, 'connections' | 'closeIdleConnections'>[],
  isBusy: () => boolean,
): Promise<void> {
  const silentUntil = performance.now() + LINGER_MS
  for (;;) {
    if (performance.now() > silentUntil) for (const server of servers) server.closeIdleConnections()
    if (!isBusy() && servers.every(({ connections }) => connections === 0)) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
