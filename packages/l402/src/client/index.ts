export {
  type Breakers,
  type Budget,
  type BudgetLimits,
  DEFAULT_BUDGET,
  type OverBudget,
  type PaymentLists,
  type PaymentRecord,
  type PaymentState,
  type PurseStore,
  type ServedState,
  type SpentBy,
  type StoredCredential,
} from '../stores/purse.ts'
export { buyer } from './buyer.ts'
export { shownCaveatsOf } from './credential-facts.ts'
export { delivered } from './delivery.ts'
export { defaultFeeReserve } from './fees.ts'
export { outcomeOf, type PayingFetch, type PayingFetchOptions, payingFetch } from './paying-fetch.ts'
export { type PrepareOptions, prepareRequest } from './prepare.ts'
export type { Approve, AskOptions, HookAnswer, PaymentHook, ProposedPurchase } from './proposal.ts'
export { scopeOf } from './scope.ts'
export { isTokenFile, readTokenFile } from './token-file.ts'
export type {
  Buyer,
  BuyerOptions,
  ChallengeReason,
  FetchOutcome,
  Offer,
  PolicyReason,
  PreparedRequest,
  Purchase,
  PurchaseEvent,
  Quote,
  QuoteOutcome,
  Recovered,
} from './types.ts'
export { type WebhookOptions, webhookApproval, webhookHook } from './webhook.ts'
export { isWrittenOff, writeOff } from './write-off.ts'
