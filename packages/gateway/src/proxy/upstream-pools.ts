import { Pool } from 'undici'

const CONNECT_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 65_536

/** One pool of kept-alive connections per upstream origin. */
export class UpstreamPools {
  readonly #pools = new Map<string, Pool>()
  readonly #connections: number | null

  /** `connections`: how many each upstream gets at most; `undefined`: no limit. */
  constructor(connections: number | undefined) {
    this.#connections = connections ?? null
  }

  /** The pool of an origin, made at its first use. */
  of(origin: string): Pool {
    const pool = this.#pools.get(origin)
    if (pool !== undefined) return pool
    const made = new Pool(origin, {
      connections: this.#connections,
      pipelining: 1,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // The exchange has its own timer to the first byte, which covers waiting and connecting too; after that a
      // stream may be as slow as it likes.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#pools.set(origin, made)
    return made
  }

  /** Lets go of all other origins; what runs on them is finished. */
  keepOnly(origins: ReadonlySet<string>): void {
    for (const [origin, pool] of this.#pools) {
      if (origins.has(origin)) continue
      this.#pools.delete(origin)
      void pool.close()
    }
  }

  /** Closes everything at once. */
  async destroy(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.destroy()))
  }
}
