export { type Admitted, type AskedAnswer, type AskedFacts, AskedReply, AskedRequest } from './asked.ts'
export { peerAddress } from './client-facts.ts'
export { createDataPlane } from './data-plane.ts'
export type { DataPlane, DataPlaneHooks, DataPlaneOptions } from './data-plane-types.ts'
export { type HeaderEdits, headerEdits } from './header-edits.ts'
export { expectProxyHeader } from './proxy-protocol.ts'
export {
  createPublicServer,
  drainServers,
  type PublicServer,
  type PublicServerOptions,
} from './public-server.ts'
export type { HostTable, ProxyRoute, Routing, UpstreamTarget, UpstreamTls } from './routing.ts'
export type { TlsMaterial } from './tls-front.ts'
export type { RequestTrace, RequestTracer } from './tracer.ts'
export type { Ejection, HealthCheck, UpstreamState } from './upstream-group.ts'
export { unwellServices } from './upstream-group.ts'
export type { RequestRecord } from './visit.ts'
