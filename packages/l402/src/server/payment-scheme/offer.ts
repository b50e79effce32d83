/** The Payment challenge that stands beside the L402 one: the same invoice, the same entitlement (protocol §6, rule S3). */

import { encodeUtf8 } from '../../core/bytes.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { Network } from '../../core/network.ts'
import { isConfidential } from '../../core/payment-scheme/confidential.ts'
import { encodeJson } from '../../core/payment-scheme/encoding.ts'
import {
  formatPaymentChallenge,
  type PaymentOffer,
  paymentChallengeId,
} from '../../core/payment-scheme/index.ts'
import type { IssuedChallenge } from '../challenger.ts'
import { headerValue } from '../clear-request.ts'
import type { GateRequest } from '../gate.ts'
import type { KeyRing } from '../keys.ts'
import { acceptsPayment } from './accept-payment.ts'

/** Names the key that binds challenges; no macaroon's identifier has this length. */
export const CHALLENGE_KEY: Uint8Array = encodeUtf8('turnpike payment scheme challenge id')

/** What the scheme's lightning method has a name for. */
const NETWORKS: ReadonlySet<Network> = new Set(['mainnet', 'regtest', 'signet'])

/** Makes the header lines: none where the request or the price cannot have any. */
export type PaymentOffers = (request: GateRequest, issued: IssuedChallenge) => HeaderLines

/** See {@link PaymentOffers}. */
export function createPaymentOffers(
  keys: KeyRing,
  { network, always }: { readonly network: Network; readonly always: boolean },
): PaymentOffers {
  return (request, issued) => {
    const { amountMsat, invoice, paymentHash, macaroon, expiresAt } = issued
    const { service, name } = request.route
    // The draft knows whole satoshis only, and no plain HTTP.
    if (amountMsat % 1000n !== 0n || !NETWORKS.has(network) || !isConfidentialRequest(request)) return []
    if (!acceptsPayment(headerValue(request.headers, 'accept-payment'), always)) return []
    const offer: PaymentOffer = {
      // A `|` would let two different challenges have one id.
      realm: new URL(request.base as string).host,
      method: 'lightning',
      intent: 'charge',
      request: encodeJson({
        amount: String(amountMsat / 1000n),
        currency: 'sat',
        methodDetails: { invoice, network, paymentHash },
      }),
      expires: new Date(expiresAt * 1000).toISOString().replace('.000Z', 'Z'),
      // What was sold, bound by the id: the macaroon holds service, route and every limit.
      opaque: encodeJson({ macaroon, route: name, service }),
    }
    const id = paymentChallengeId(keys.mintingKey(CHALLENGE_KEY), offer)
    return ['WWW-Authenticate', formatPaymentChallenge({ id, ...offer })]
  }
}

/** Whether nobody on the way reads the request: TLS, or this machine. */
export function isConfidentialRequest({ base = '' }: Pick<GateRequest, 'base'>): boolean {
  return isConfidential(base)
}
