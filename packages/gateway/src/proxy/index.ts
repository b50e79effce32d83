export {
  createDataPlane,
  type DataPlane,
  type DataPlaneHooks,
  type DataPlaneOptions,
} from './data-plane.ts'
export { createPublicServer, drainServers, type PublicServerOptions } from './public-server.ts'
export type { HostTable, ProxyRoute, Routing, UpstreamTarget } from './routing.ts'
export type { RequestRecord } from './visit.ts'
