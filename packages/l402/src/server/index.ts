export type { ChallengeLimitOptions } from './challenge-limit.ts'
export { createGate, type GateOptions, type ServiceOptions } from './create-gate.ts'
export type { Decision, Entitlement, Gate, GateRequest, Grants, Pass, Refused, RouteTerms } from './gate.ts'
export { deriveRootKey, type KeyRing, keyRing, type MasterKey } from './keys.ts'
export {
  type Paywall,
  type PaywallOptions,
  type PaywallPass,
  type PaywallRefusal,
  type PaywallRoute,
  type PaywallService,
  paywall,
  type RequestInfo,
} from './paywall.ts'
export { problemBody } from './problem.ts'
export { type RouteOffer, routeTerms } from './route-terms.ts'
export { compileRoutes, type RouteTable } from './routes.ts'
export { normaliseTarget } from './target.ts'
