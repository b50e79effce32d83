import type { Gate, HeldSale, RouteTerms } from '@turnpike/l402/server'
import type { Admitted } from './asked.ts'
import type { TrustedProxies } from './client-facts.ts'
import type { ClientAnswer, ClientRequest } from './client-side.ts'
import type { Routing } from './routing.ts'
import type { RequestTracer } from './tracer.ts'
import type { Upgrade } from './tunnel.ts'
import type { UpstreamState } from './upstream-group.ts'
import type { RequestRecord, Visit } from './visit.ts'

/** Told what happens; must not throw. */
export interface DataPlaneHooks {
  /** A request is over; with what it and its answer were. */
  finished?(record: RequestRecord, visit: Pick<Visit, 'req' | 'res' | 'trace'>): void
  /** The gate, the books or an upstream failed. `code` is that of the problem body. */
  fault?(code: string, error: unknown, route: RouteTerms): void
  /** An upstream of a group is well, or ejected, or no longer so. */
  upstreamState?(state: UpstreamState): void
}

/** A request that is run once its payment is held. */
export interface HeldRequest {
  readonly method: string
  /** As it stands in the request line. */
  readonly url: string
  /** Name, value, …, as they came. */
  readonly lines: readonly string[]
  /** Whom its connection was with. */
  readonly peer: string
  /** After trusted-proxy handling. */
  readonly clientAddress: string
  readonly scheme: 'http' | 'https'
  readonly body: Buffer
}

/** Keeps requests that are paid on delivery. */
export interface HoldKeeper {
  /** Answers whether it is kept, durably as far as it must be; else its challenge must not go out. Never rejects. */
  keep(request: HeldRequest, sale: HeldSale): Promise<boolean>
}

/** What {@link createDataPlane} takes. */
export interface DataPlaneOptions {
  readonly routing: Routing
  /** `pinned`: what decides as it does now, though it may be exchanged for another one meanwhile. */
  readonly gate: Gate & { pinned?(): Pick<Gate, 'decide'> }
  readonly hooks?: DataPlaneHooks
  /** Where requests are kept that are paid on delivery; without it nothing is sold so. */
  readonly holds?: HoldKeeper | undefined
  /**
   * Most connections to each upstream origin; as many as are needed if left out. With a limit, that many slow clients of
   * a free route keep everybody else waiting.
   */
  readonly connectionsPerOrigin?: number
  /** The operator's own proxies, asked for with every request; `undefined`: there are none. */
  readonly trustedProxies?: () => TrustedProxies | undefined
  /** Whom nothing is answered, asked for with every request; `undefined`: nobody. */
  readonly denied?: () => ((address: string) => boolean) | undefined
  /** Follows every request; `undefined`: nobody does. */
  readonly tracer?: RequestTracer | undefined
}

/** The way of every request through the gateway. */
export interface DataPlane {
  /** Takes a request; `upgrade` is there where its connection may become another protocol's. See `createPublicServer`. */
  readonly listener: (req: ClientRequest, res: ClientAnswer, upgrade?: Upgrade) => void
  /** Decides over a request that another proxy carries; `admit` takes what may pass. The answer is `res`'s to hand over. */
  ask(req: ClientRequest, res: ClientAnswer, admit: (admitted: Admitted) => void): void
  /** Puts new routes in force, at once and as a whole; requests under way keep theirs. */
  swap(routing: Routing): void
  /** How the upstreams of groups are doing. */
  upstreams(): readonly UpstreamState[]
  /** How many requests are under way. */
  inFlight(): number
  /** From now on every answer closes its connection. Resolves when no request is under way; may be asked again. */
  drain(): Promise<void>
  /** Closes the upstream connections; requests under way fail. */
  close(): Promise<void>
}
