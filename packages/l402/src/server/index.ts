export type {
  CounterState,
  CounterUse,
  Ledger,
  NotReserved,
  Redemption,
  Reservation,
  ReserveRequest,
  RevocationTarget,
} from '../stores/ledger.ts'
export type { StoredRootKeys } from '../stores/root-keys.ts'
export { type BalanceBody, balanceBody } from './balance.ts'
export {
  type ChallengeAuthority,
  type ChallengeLimit,
  type ChallengeLimitOptions,
  challengeLimit,
} from './challenge-limit.ts'
export { clientPrefix } from './client-prefix.ts'
export { type ConditionsOffer, readConditions } from './conditions-offer.ts'
export { DIGEST_BYTES, digestContent } from './content-digest.ts'
export { addCorsLines, optionsLines, USUAL_METHODS } from './cors.ts'
export { createGate, type GateOptions } from './create-gate.ts'
export type { Proof, ProofRequest, ProofVerifier } from './dpop.ts'
export type {
  Balance,
  BudgetState,
  Decision,
  Entitlement,
  Gate,
  GateRequest,
  Grants,
  MintedConditions,
  Pass,
  Refused,
  RefusedReason,
  Replayed,
  RouteTerms,
  ServiceBalance,
  Settlement,
  StoredAnswer,
} from './gate.ts'
export { deriveRootKey, type KeyRing, keyRing, type MasterKey } from './keys.ts'
export type { Charge, UnitRate, UsageRates } from './metering/charge.ts'
export { type ChargeOffer, readCharge } from './metering/charge-offer.ts'
export { createMeter, type MeterOptions } from './metering/create-meter.ts'
export type { Meter } from './metering/meter.ts'
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
export { type Problem, problemBody } from './problem.ts'
export { REASONS, type ReasonEntry } from './reason-table.ts'
export { REQUEST_PROBLEMS, type RequestProblemCode, type RequestProblemEntry } from './request-problems.ts'
export { type RouteOffer, routeCapability, routeTerms } from './route-terms.ts'
export {
  type CompiledRoute,
  compileRoutes,
  type RouteMatcher,
  type RouteSpec,
  type RouteTable,
  type UnreachableRoute,
  unreachableRoutes,
} from './routes.ts'
export type { ServiceOptions } from './service-policies.ts'
export { type BadTarget, isAuthority, normaliseTarget, type Target, type TargetOptions } from './target.ts'
