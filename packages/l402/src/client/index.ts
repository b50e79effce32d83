export { buyer } from './buyer.ts'
export { defaultFeeReserve } from './fees.ts'
export { outcomeOf, type PayingFetch, type PayingFetchOptions, payingFetch } from './paying-fetch.ts'
export { type PrepareOptions, prepareRequest } from './prepare.ts'
export { scopeOf } from './scope.ts'
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
