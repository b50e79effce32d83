import { type Front, startCaddy, startNginx } from '../lib/fronts.ts'
import { type Load, startLoad } from '../lib/load.ts'
import type { Peer } from '../lib/peer.ts'
import { buyCredential, type GatewayPeer, startGateway, startUpstream } from '../lib/peers.ts'
import type { Kind, Plan } from '../lib/section.ts'

/** What the sections of the proxy benchmark share. */
export interface Stage {
  readonly plan: Plan
  readonly load: Load
  readonly upstream: Peer
  readonly gateway: GatewayPeer
  /** A time pass for `/pass/*`. */
  readonly pass: string
  readonly grpcUpstream: Peer
  readonly nginx: Front | undefined
  readonly caddy: Front | undefined
  /** Whether a kind is asked for. */
  wants(kind: string): boolean
  /** The kinds that are asked for and there. */
  pick(kinds: readonly (readonly [name: string, kind: Kind | undefined])[]): Map<string, Kind>
  stop(): Promise<void>
}

/** One section of the proxy benchmark. */
export interface ProxySection {
  readonly name: string
  readonly kinds: readonly string[]
  run(stage: Stage): Promise<void>
}

/** Starts what all sections need. `wants` tells whether a kind is asked for. */
export async function startStage(plan: Omit<Plan, 'load'>, wants: (kind: string) => boolean): Promise<Stage> {
  const [upstream, grpcUpstream] = await Promise.all([startUpstream(), startUpstream('grpc')])
  const upstreams = { h1: upstream.url, grpc: grpcUpstream.url }
  const [gateway, nginx, caddy] = await Promise.all([
    startGateway(upstream.url, { grpc: grpcUpstream.url }),
    startNginx(upstreams),
    startCaddy(upstreams),
  ])
  if (nginx === undefined) console.log('SKIPPED nginx: not installed, so there is no ratio to it')
  if (caddy === undefined) console.log('SKIPPED Caddy: not installed, so there is no ratio to it')
  const load = startLoad()
  return {
    plan: { ...plan, load },
    load,
    upstream,
    gateway,
    pass: await buyCredential(gateway, '/pass/x'),
    grpcUpstream,
    nginx,
    caddy,
    wants,
    pick: (kinds) =>
      new Map(
        kinds.flatMap(([name, kind]) => (kind !== undefined && wants(name) ? [[name, kind] as const] : [])),
      ),
    async stop() {
      await Promise.all([load, gateway, nginx, caddy, upstream, grpcUpstream].map((one) => one?.stop()))
    },
  }
}
