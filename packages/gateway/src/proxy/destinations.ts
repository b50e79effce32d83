/** Where the requests of a route go: to its upstream, to one of several, or to files. */

import { startHealthChecks } from './health-checks.ts'
import type { HostFinder, ProxyRoute } from './routing.ts'
import { StaticFiles } from './static-files.ts'
import { Balancer, type UpstreamGroup, type UpstreamState } from './upstream-group.ts'
import type { Upstream, UpstreamPools } from './upstream-pools.ts'

interface Running {
  readonly balancer: Balancer
  stop(): void
}

/** Keeps what is known about the upstreams of groups, as long as some route goes there. */
export class Destinations {
  readonly #pools: UpstreamPools
  readonly #onState: ((state: UpstreamState) => void) | undefined
  // By what they say, so that a reload which changes nothing about a group forgets nothing about it.
  readonly #groups = new Map<string, Running>()
  readonly #byGroup = new WeakMap<UpstreamGroup, Balancer>()
  readonly #files = new Map<string, StaticFiles>()

  constructor(pools: UpstreamPools, onState: ((state: UpstreamState) => void) | undefined) {
    this.#pools = pools
    this.#onState = onState
  }

  /** For one request of the route. */
  of({ upstream, group, files }: ProxyRoute): Upstream {
    if (group !== undefined) return (this.#byGroup.get(group) ?? this.#start(group)).open()
    if (files !== undefined) return this.#folder(files)
    return this.#pools.of(upstream)
  }

  /** Starts the health checks of these routes, and lets go of everything that none of them needs. */
  keepOnly(hosts: HostFinder): void {
    for (const group of hosts.groups) this.#start(group)
    const keys = new Set([...hosts.groups].map(keyOf))
    for (const [key, running] of this.#groups) {
      if (keys.has(key)) continue
      running.stop()
      this.#groups.delete(key)
    }
    this.#files.clear()
    this.#pools.keepOnly(hosts.upstreams)
  }

  /** How the upstreams of all groups are doing. */
  states(): readonly UpstreamState[] {
    return [...this.#groups.values()].flatMap(({ balancer }) => balancer.states())
  }

  async destroy(): Promise<void> {
    for (const { stop } of this.#groups.values()) stop()
    this.#groups.clear()
    await this.#pools.destroy()
  }

  /** The balancer of a group, started where none runs that says the same. */
  #start(group: UpstreamGroup): Balancer {
    const key = keyOf(group)
    let running = this.#groups.get(key)
    if (running === undefined) {
      const balancer = new Balancer({
        group,
        poolOf: (target) => this.#pools.of(target),
        onState: this.#onState,
      })
      const stop = group.health === undefined ? () => {} : startHealthChecks(balancer, group.health)
      running = { balancer, stop }
      this.#groups.set(key, running)
    }
    this.#byGroup.set(group, running.balancer)
    return running.balancer
  }

  #folder(folder: string): StaticFiles {
    const known = this.#files.get(folder) ?? new StaticFiles(folder)
    this.#files.set(folder, known)
    return known
  }
}

function keyOf(group: UpstreamGroup): string {
  return JSON.stringify(group)
}
