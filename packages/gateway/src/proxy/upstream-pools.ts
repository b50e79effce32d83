import { Client, type Dispatcher, Pool } from 'undici'
import { H2Upstream } from './h2-upstream.ts'
import type { UpstreamTarget, UpstreamTls } from './routing.ts'

const CONNECT_TIMEOUT_MS = 10_000
const CLIENT_OPTIONS = {
  pipelining: 1,
  maxHeaderSize: 65_536,
  // The exchange has its own timer to the first byte, which covers waiting and connecting too; after that a stream may
  // be as slow as it likes.
  headersTimeout: 0,
  bodyTimeout: 0,
}

/** A request for an upstream. */
export interface UpstreamRequest extends Dispatcher.DispatchOptions {
  /** Set when a connection takes it; to be called when that sends it. Answers whether it has sent others before. */
  carry?: () => boolean
}

/** Who is told what becomes of a request; undici calls it by these names. */
export interface UpstreamHandler extends Omit<Dispatcher.DispatchHandler, 'onBodySent'> {
  /** A piece of the body went out. */
  onBodySent?(chunk: unknown): void
  /** The upstream has the whole request. */
  onRequestSent?(): void
}

/** Where requests for one origin go. */
export interface Upstream {
  /** On a kept connection if there is an idle one. */
  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void
  /** On a new connection, which closes afterwards. */
  dispatchAfresh(request: UpstreamRequest, handler: UpstreamHandler): void
  /** Lets what runs finish. */
  close(): Promise<void>
  destroy(): Promise<void>
}

/** Whether requests go to it over HTTP/2. */
export function speaksH2({ origin, protocol }: UpstreamTarget): boolean {
  return protocol === 'h2' || origin.startsWith('h2c:')
}

/** One pool of kept-alive connections per upstream. */
export class UpstreamPools {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #connections: number | null

  /** `connections`: how many each upstream gets at most; `undefined`: no limit. */
  constructor(connections: number | undefined) {
    this.#connections = connections ?? null
  }

  /** The connections of an upstream, made at its first use. */
  of(target: UpstreamTarget): Upstream {
    const key = keyOf(target)
    const upstream = this.#upstreams.get(key)
    if (upstream !== undefined) return upstream
    const made = openUpstream(target, this.#connections)
    this.#upstreams.set(key, made)
    return made
  }

  /** Lets go of all others; what runs on them is finished. */
  keepOnly(targets: readonly UpstreamTarget[]): void {
    const kept = new Set(targets.map(keyOf))
    for (const [key, upstream] of this.#upstreams) {
      if (kept.has(key)) continue
      this.#upstreams.delete(key)
      void upstream.close()
    }
  }

  /** Closes everything at once. */
  async destroy(): Promise<void> {
    const upstreams = [...this.#upstreams.values()]
    this.#upstreams.clear()
    await Promise.all(upstreams.map((upstream) => upstream.destroy()))
  }
}

/** One connection at a time, which knows whether it has been used. */
class CountingClient extends Client {
  #used = false
  readonly #carry = (): boolean => {
    const before = this.#used
    this.#used = true
    return before
  }

  constructor(origin: URL, options: object) {
    super(origin, options)
    this.on('disconnect', () => {
      this.#used = false
    })
  }

  override dispatch(request: UpstreamRequest, handler: UpstreamHandler): boolean {
    request.carry = this.#carry
    return super.dispatch(request, handler)
  }
}

function keyOf({ origin, protocol, tls }: UpstreamTarget): string {
  return protocol === undefined && tls === undefined ? origin : `${protocol ?? ''} ${tls?.id ?? ''} ${origin}`
}

function tlsOptions({ ca, cert, key, serverName, insecure }: UpstreamTls): object {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  }
}

function openUpstream(target: UpstreamTarget, connections: number | null): Upstream {
  const { origin, tls } = target
  if (speaksH2(target))
    return new H2Upstream({
      origin: origin.replace(/^h2c:/, 'http:'),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxHeaderBytes: CLIENT_OPTIONS.maxHeaderSize,
      tls: tls === undefined ? {} : tlsOptions(tls),
    })
  const connect = tls === undefined ? {} : { connect: { timeout: CONNECT_TIMEOUT_MS, ...tlsOptions(tls) } }
  const pool = new Pool(origin, {
    ...CLIENT_OPTIONS,
    ...connect,
    connections,
    connectTimeout: CONNECT_TIMEOUT_MS,
    factory: (url, options) => new CountingClient(url, options),
  })
  const fresh = new Set<Client>()
  return {
    dispatch: (request, handler) => void pool.dispatch(request, handler),
    dispatchAfresh(request, handler) {
      const client = new Client(origin, { ...CLIENT_OPTIONS, ...connect, connectTimeout: CONNECT_TIMEOUT_MS })
      fresh.add(client)
      client.dispatch(request, handler)
      void client.close().finally(() => fresh.delete(client))
    },
    close: () => pool.close(),
    async destroy() {
      await Promise.all([pool, ...fresh].map((each) => each.destroy()))
    },
  }
}
