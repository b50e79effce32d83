/** Listening on a configured address, with an error that names it. */

import type { Server } from 'node:net'
import { CommandError, exitCode } from './cli/exit.ts'
import { addressUrl, type ListenAddress } from './config/config.ts'

/** Listens, and answers the URL with the real port. Throws {@link CommandError}. */
export async function listenOn(server: Server, address: ListenAddress): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, address))
    server.once('error', fail)
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', fail)
      resolve()
    })
  })
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return addressUrl({ ...address, port })
}

/** The fault of a `listen` call in words. */
function listenError(error: NodeJS.ErrnoException, address: ListenAddress): CommandError {
  const where = addressUrl({ ...address, tls: false }).slice('http://'.length)
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program already listens there; choose another port, or 0 for any free one',
    EACCES: 'this user may not listen there; ports below 1024 need rights',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'no such host name',
  }
  const code = error.code ?? 'unknown fault'
  return new CommandError(exitCode.failed, `cannot listen on ${where}: ${why[code] ?? code}`)
}
