import { Gauge, type Registry } from 'prom-client'
import type { UpstreamState } from '../proxy/index.ts'

/** Which upstreams get requests. Only services with several upstreams, or with health checks, are in it. */
export function upstreamGauge(registry: Registry, states: () => readonly UpstreamState[]): void {
  new Gauge({
    name: 'turnpike_upstream_up',
    help: 'Whether an upstream gets requests: 1, or 0 while its health checks fail or it is ejected.',
    labelNames: ['service', 'upstream'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { service, upstream, healthy, ejected } of states())
        this.set({ service, upstream }, healthy && !ejected ? 1 : 0)
    },
  })
}
