import { Client, type Dispatcher, Pool } from 'undici'

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

/** Where requests for one origin go. */
export interface Upstream {
  /** On a kept connection if there is an idle one. */
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  /** On a new connection, which closes afterwards. */
  dispatchAfresh(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  /** Lets what runs finish. */
  close(): Promise<void>
  destroy(): Promise<void>
}

/** One pool of kept-alive connections per upstream origin. */
export class UpstreamPools {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #connections: number | null

  /** `connections`: how many each upstream gets at most; `undefined`: no limit. */
  constructor(connections: number | undefined) {
    this.#connections = connections ?? null
  }

  /** The upstream of an origin, made at its first use. */
  of(origin: string): Upstream {
    const upstream = this.#upstreams.get(origin)
    if (upstream !== undefined) return upstream
    const made = openUpstream(origin, this.#connections)
    this.#upstreams.set(origin, made)
    return made
  }

  /** Lets go of all other origins; what runs on them is finished. */
  keepOnly(origins: ReadonlySet<string>): void {
    for (const [origin, upstream] of this.#upstreams) {
      if (origins.has(origin)) continue
      this.#upstreams.delete(origin)
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

  override dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): boolean {
    request.carry = this.#carry
    return super.dispatch(request, handler)
  }
}

function openUpstream(origin: string, connections: number | null): Upstream {
  const pool = new Pool(origin, {
    ...CLIENT_OPTIONS,
    connections,
    connectTimeout: CONNECT_TIMEOUT_MS,
    factory: (url, options) => new CountingClient(url, options),
  })
  const fresh = new Set<Client>()
  return {
    dispatch: (request, handler) => void pool.dispatch(request, handler),
    dispatchAfresh(request, handler) {
      const client = new Client(origin, { ...CLIENT_OPTIONS, connectTimeout: CONNECT_TIMEOUT_MS })
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
