import type { Duplex } from 'node:stream'

/** The client's connection after an upgrade request, until the answer decides what becomes of it. */
export interface Upgrade {
  readonly socket: Duplex
  /** What the client has sent already. */
  readonly first: Buffer
  /** To be called when the tunnel is over. */
  readonly over: () => void
}

/** Two connections that are joined, and who looks on. */
export interface TunnelOptions {
  readonly client: Duplex
  readonly upstream: Duplex
  readonly fromClient: (chunk: Buffer) => void
  readonly fromUpstream: (chunk: Buffer) => void
  /** Both are closed. */
  readonly over: () => void
}

// How long one side may take to close after the other has.
const LINGER_MS = 30_000

/** Carries bytes both ways, each as fast as its reader reads, until both sides are closed. Answers what breaks it off. */
export function openTunnel({ client, upstream, fromClient, fromUpstream, over }: TunnelOptions): () => void {
  let open = 2
  let late: NodeJS.Timeout | undefined
  const breakOff = (): void => {
    client.destroy()
    upstream.destroy()
  }
  const join = (from: Duplex, to: Duplex, seen: (chunk: Buffer) => void): void => {
    from.on('data', (chunk: Buffer) => {
      seen(chunk)
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => {
      to.end()
      late ??= setTimeout(breakOff, LINGER_MS).unref()
    })
    from.on('error', breakOff)
    from.on('close', () => {
      open--
      if (open === 0) {
        clearTimeout(late)
        over()
      } else endSoon(to)
      if (open > 0) late ??= setTimeout(breakOff, LINGER_MS).unref()
    })
  }
  join(client, upstream, fromClient)
  join(upstream, client, fromUpstream)
  return breakOff
}

/** Nobody reads any more what it would send: it gets what is on its way to it, and is closed. */
function endSoon(stream: Duplex): void {
  if ('destroySoon' in stream && typeof stream.destroySoon === 'function') stream.destroySoon()
  else stream.end(() => stream.destroy())
}
