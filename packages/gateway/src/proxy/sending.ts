import { upstreamFault } from './upstream-faults.ts'
import type { Upstream, UpstreamHandler, UpstreamRequest } from './upstream-pools.ts'

/** One request on its way to the upstream. */
export class Sending {
  readonly #upstream: Upstream
  readonly #request: UpstreamRequest
  // Whether its connection had carried others.
  #reused = false
  #repeated = false

  constructor(upstream: Upstream, request: UpstreamRequest) {
    this.#upstream = upstream
    this.#request = request
  }

  /** Sends it; `handler` is told what becomes of it. */
  send(handler: UpstreamHandler): void {
    this.#upstream.dispatch(this.#request, handler)
  }

  /** A connection has taken it. */
  connected(): void {
    this.#reused = this.#request.carry?.() ?? false
  }

  /**
   * An upstream may close an idle connection just when a request goes out on it. RFC 9110 §9.2.2: that request is sent
   * once more, on a connection of its own. Answers whether it was.
   */
  sendAgain(error: Error, handler: UpstreamHandler): boolean {
    const { carry: _, ...request } = this.#request
    const { method, body } = request
    const safe = body === null && (method === 'GET' || method === 'HEAD')
    if (!safe || !this.#reused || this.#repeated || upstreamFault(error).code !== 'upstream_closed')
      return false
    this.#repeated = true
    this.#upstream.dispatchAfresh(request, handler)
    return true
  }
}
