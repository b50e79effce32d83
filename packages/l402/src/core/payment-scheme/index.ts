export { encodeBase64Url } from '../bytes.ts'
export {
  formatPaymentChallenge,
  isPaymentChallengeId,
  type PaymentChallenge,
  type PaymentOffer,
  parsePaymentChallenges,
  paymentChallengeId,
  type ReadPaymentChallenge,
} from './challenge.ts'
export {
  formatPaymentCredential,
  isPaymentScheme,
  type PaymentCredential,
  parsePaymentCredential,
} from './credential.ts'
export {
  canonicalJson,
  decodeBase64Url,
  decodeJsonObject,
  encodeJson,
  type Json,
  type JsonObject,
} from './encoding.ts'
export { formatPaymentReceipt, type PaymentReceipt, parsePaymentReceipt } from './receipt.ts'
export {
  parseSessionAction,
  type RefundStatus,
  type SessionAction,
  type SessionNeed,
  type SessionRequest,
  sessionRequest,
} from './session.ts'
