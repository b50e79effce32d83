/** A TCP proxy in front of a server, for what networks do. */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A proxy that runs. */
export interface Proxy {
  /** The URL it was started with, over the proxy. */
  readonly url: string
  /** Ends the connections of the clients; the server hears nothing of it. */
  cutClients(): void
  /** Whether bytes stop half-way, and new connections with them. */
  pause(on: boolean): void
  close(): void
}

/** Starts a proxy to where `url` leads. */
export async function startProxy(url: string): Promise<Proxy> {
  const target = new URL(url)
  const clients = new Set<Socket>()
  const servers = new Set<Socket>()
  let paused = false
  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    for (const socket of [client, server]) socket.on('error', () => {})
    clients.add(client)
    servers.add(server)
    // By hand: `pipe` would end the one side with the other.
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => client.write(bytes))
    server.on('close', () => client.destroy())
    client.on('end', () => server.end())
    if (paused) client.pause()
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const over = new URL(url)
  over.port = `${address.port}`
  return {
    url: over.href,
    cutClients(): void {
      for (const client of clients) client.resetAndDestroy()
      clients.clear()
    },
    pause(on): void {
      paused = on
      for (const socket of [...clients, ...servers]) {
        if (on) socket.pause()
        else socket.resume()
      }
    },
    close(): void {
      listener.close()
      for (const socket of [...clients, ...servers]) socket.destroy()
    },
  }
}
