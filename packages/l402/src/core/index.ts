export { formatAmount, parseAmount } from './amount.ts'
export { type AuthChallenge, parseAuthChallenges } from './auth-header.ts'
export {
  decodeInvoice,
  decodeUnverifiedInvoice,
  encodeInvoice,
  type FallbackAddress,
  type Invoice,
  type InvoiceFields,
  type RouteHop,
  type UnverifiedInvoice,
} from './bolt11/index.ts'
export {
  concatBytes,
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from './bytes.ts'
export { type Caveat, formatCaveat, parseCaveat } from './caveat.ts'
export { attenuateMacaroon, type MintOptions, mintMacaroon, verifyChain } from './chain.ts'
export { type ChallengeFields, findL402Challenges, formatChallenge, type L402Challenge } from './challenge.ts'
export {
  type ChainedCaveat,
  type ClearContext,
  type Counter,
  clearCaveats,
  type Enforceable,
  type RateLimit,
  type ServicePolicy,
  type Summary,
  summariseCaveats,
} from './clear.ts'
export type { Rate } from './conditions/rate.ts'
export {
  type Credential,
  credentialText,
  formatCredential,
  isCredentialLine,
  parseCredentials,
} from './credential.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { isL402Error, L402Error, type L402ErrorCode, type L402ErrorOptions } from './errors.ts'
export type { HeaderLines } from './header-lines.ts'
export { decodeIdentifier, encodeIdentifier, type Identifier } from './identifier.ts'
export { decodeMacaroon, encodeMacaroon, type Macaroon, type MacaroonCaveat } from './macaroon.ts'
export type { Network } from './network.ts'
export { type Reason, type Refusal, refuse } from './refusal.ts'
