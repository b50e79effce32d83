export {
  createDataPlane,
  type DataPlane,
  type DataPlaneHooks,
} from './data-plane.ts'
export { type HeaderEdits, headerEdits } from './header-edits.ts'
export { createPublicServer, drainServers, type PublicServerOptions } from './public-server.ts'
export type { HostTable, ProxyRoute, Routing, UpstreamTarget } from './routing.ts'
export type { Ejection, HealthCheck, UpstreamState } from './upstream-group.ts'
export { unwellServices } from './upstream-group.ts'
export type { RequestRecord } from './visit.ts'
