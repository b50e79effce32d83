export {
  createDataPlane,
  type DataPlane,
  type DataPlaneHooks,
} from './data-plane.ts'
export { openConnections } from './lingering.ts'
export { createPublicServer, drainServers, type PublicServerOptions } from './public-server.ts'
export type { HostTable, ProxyRoute, Routing, UpstreamTarget } from './routing.ts'
export type { RequestTrace, RequestTracer } from './tracer.ts'
export type { RequestRecord } from './visit.ts'
