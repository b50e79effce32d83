/** The Payment challenge that stands beside the L402 one: the same invoice, the same entitlement (protocol §6, rule S3). */

import type { HeaderLines } from '../../core/header-lines.ts'
import type { Network } from '../../core/network.ts'
import { formatBodyDigest } from '../../core/payment-scheme/digest.ts'
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
import { headerValues } from '../metering/header-values.ts'
import { acceptsPayment } from './accept-payment.ts'
import { CHALLENGE_KEY } from './challenge-key.ts'
import { isConfidentialRequest } from './confidential.ts'
import { buysOneCall } from './present.ts'
import type { PaymentSchemeOptions } from './scheme.ts'

/** What the scheme's lightning method has a name for. */
const NETWORKS: ReadonlySet<Network> = new Set(['mainnet', 'regtest', 'signet'])

/** Largest body that a challenge is bound to; a longer one is not read for somebody who has not paid. */
const MOST_BOUND_BYTES = 65_536

/** See {@link createPaymentOffers}. */
export interface PaymentOffers {
  /** Makes the header lines: none where the request or the price cannot have any. */
  lines(request: GateRequest, issued: IssuedChallenge): HeaderLines
  /** Whether the challenge of this unpaid request would be bound to its body, so that the body is to be read first. */
  binds(request: GateRequest): boolean
}

/** The offers of a gate. */
export function createPaymentOffers(
  keys: KeyRing,
  { network, always, bindBodies }: Pick<PaymentSchemeOptions, 'network' | 'always' | 'bindBodies'>,
): PaymentOffers {
  // The draft knows no plain HTTP.
  const offered = (request: GateRequest): boolean =>
    NETWORKS.has(network) &&
    isConfidentialRequest(request) &&
    acceptsPayment(headerValues(request.headers, 'accept-payment'), always)
  return {
    lines(request, issued) {
      const { amountMsat, invoice, paymentHash, macaroon, expiresAt } = issued
      const { service, name } = request.route
      // Nor does it know parts of a satoshi.
      if (amountMsat % 1000n !== 0n || !offered(request)) return []
      const { bodyDigest } = request
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
        // Of what buys several calls, each has a body of its own.
        ...(bindBodies && bodyDigest !== undefined && buysOneCall(request.route)
          ? { digest: formatBodyDigest(bodyDigest) }
          : {}),
        // What was sold, bound by the id: the macaroon holds service, route and every limit.
        opaque: encodeJson({ macaroon, route: name, service }),
      }
      const id = paymentChallengeId(keys.mintingKey(CHALLENGE_KEY), offer)
      return ['WWW-Authenticate', formatPaymentChallenge({ id, ...offer })]
    },
    binds(request) {
      const { route, headers } = request
      if (
        !bindBodies ||
        route.free ||
        route.hold === true ||
        route.skipInvoice === true ||
        !buysOneCall(route)
      )
        return false
      const length = headerValue(headers, 'content-length') ?? ''
      if (!/^[1-9]\d{0,5}$/.test(length) || Number(length) > MOST_BOUND_BYTES) return false
      if (headerValue(headers, 'content-type')?.startsWith('application/grpc') === true) return false
      // Who waits to be told to go on is told the price instead.
      return headerValue(headers, 'expect') === undefined && offered(request)
    },
  }
}
