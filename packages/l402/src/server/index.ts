export { withoutPageCookies } from '../page/cookies.ts'
export { PAGE_PATH } from '../page/form.ts'
export type { PageOptions, ServicePage } from '../page/options.ts'
export { ENGLISH as ENGLISH_PAGE, type PageText } from '../page/text.ts'
export { PAGE_FORM_BYTES, type PageForm } from '../page/with-page.ts'
export { stateOf as saleState } from '../stores/journal/records.ts'
export type {
  AuditEntry,
  DeadLetter,
  HourOfSales,
  Journal,
  Letter,
  OpenSale,
  Page,
  Refund,
  RefundOutcome,
  Sale,
  SaleEvent,
  SaleEventType,
  SaleFacts,
  SaleNote,
  SaleState,
  SalesQuery,
  SoldGrants,
  SoldToken,
  Subscribers,
  TokensQuery,
} from '../stores/journal.ts'
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
export { addressDenied } from './answers.ts'
export { type BalanceBody, balanceBody } from './balance.ts'
export { callRefundAccount } from './call-refunds.ts'
export type { ChallengeLimitOptions } from './challenge-limit.ts'
export { clientPrefix } from './client-prefix.ts'
export { type ConditionsOffer, readConditions } from './conditions-offer.ts'
export { DIGEST_BYTES, digestContent, digestsOf } from './content-digest.ts'
export {
  addCorsLines,
  applyCors,
  type CorsPolicy,
  optionsLines,
  type Preflight,
  preflightLines,
  USUAL_METHODS,
} from './cors.ts'
export { createGate } from './create-gate.ts'
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
export type { GateOptions } from './gate-options.ts'
export { findHoldPreimage, type HeldSale } from './holds.ts'
export { deriveRootKey, type KeyRing, keyRing, type MasterKey } from './keys.ts'
export { type AddressLists, deniedBy } from './limits/address-lists.ts'
export { type AmountBounds, amountBounds, type OutOfBounds } from './limits/amount-bounds.ts'
export type { Allowance, LimitAsk, LimitAuthority } from './limits/authority.ts'
export type { ChallengeReuseOptions } from './limits/challenge-reuse.ts'
export type { Freebie } from './limits/freebies.ts'
export { type LocalLimits, type LocalLimitsOptions, localLimits } from './limits/local-limits.ts'
export type { NodeGuardOptions } from './limits/node-guard.ts'
export type { RateLimitOffer, RateRule, RateScope } from './limits/rate-rules.ts'
export {
  type RoutePolicyOffer,
  routePolicy,
  type ServicePolicyOffer,
  withServicePolicy,
} from './limits/route-policy.ts'
export type { ChallengeEconomics } from './limits/selling.ts'
export { isMemoTemplate, memoFault } from './memo.ts'
export type { Charge, UnitRate, UsageRates } from './metering/charge.ts'
export { type ChargeOffer, readCharge } from './metering/charge-offer.ts'
export { createMeter, type MeterOptions } from './metering/create-meter.ts'
export type { Meter } from './metering/meter.ts'
export { type PausableClock, pausableClock } from './metering/pausable-clock.ts'
export { carriesPayment } from './payment-scheme/offer.ts'
export { linesForStatus } from './payment-scheme/receipt-lines.ts'
export type { PaymentSchemeMode } from './payment-scheme/scheme.ts'
export {
  type SessionTerms,
  type SessionUnit,
  sellsSessions,
  sessionUnit,
} from './payment-scheme/session/balance.ts'
export {
  type SessionClosed,
  type Sessions,
  type SessionsOptions,
  sessions,
} from './payment-scheme/session/desk.ts'
export { takenOffKeys } from './payment-scheme/session/keys.ts'
export {
  isSessionStream,
  SessionStream,
  type SessionStreamOptions,
  type StreamEnd,
  type StreamMetering,
} from './payment-scheme/session/stream/session-stream.ts'
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
export { type ExpressionPricerOptions, expressionPricer } from './pricing/expression/expression-pricer.ts'
export { ExpressionError } from './pricing/expression/tokens.ts'
export { type FiatPrice, isFiatPrice, parseFiat } from './pricing/fiat.ts'
export { type FiatPricerOptions, fiatPricer } from './pricing/fiat-pricer.ts'
export type { AnswerUsage, Authorization, Metered, Usage, UsageSink } from './pricing/metered.ts'
export { looksPriced } from './pricing/price-capability.ts'
export {
  noPrice,
  PRICED_BODY_BYTES,
  type PriceBinding,
  type PricedEvent,
  type PriceFailure,
  type PriceRequest,
  type Pricer,
  type Quote,
  requestScope,
} from './pricing/pricer.ts'
export { type Rate, type RateBook, type RateBookOptions, rateBook } from './pricing/rate-book.ts'
export { RATE_PRESETS, type RateSource } from './pricing/rate-source.ts'
export { type Problem, problemBody } from './problem.ts'
export { REASONS, type ReasonEntry } from './reason-table.ts'
export { REQUEST_PROBLEMS, type RequestProblemCode, type RequestProblemEntry } from './request-problems.ts'
export type { HeaderCondition } from './route-headers.ts'
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
export type { ChallengedSale, SalesWatcher } from './sales-watcher.ts'
export type { ServiceOptions } from './service-policies.ts'
export { type BadTarget, isAuthority, normaliseTarget, type Target, type TargetOptions } from './target.ts'
