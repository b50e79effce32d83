/** The Payment challenge that stands beside the L402 one: the same invoice, the same entitlement (protocol §6, rule S3). */

import type { HeaderLines } from '../../core/header-lines.ts'
import type { Network } from '../../core/network.ts'
import { formatBodyDigest } from '../../core/payment-scheme/digest.ts'
import { encodeJson, type JsonObject } from '../../core/payment-scheme/encoding.ts'
import {
  formatPaymentChallenge,
  type PaymentOffer,
  paymentChallengeId,
} from '../../core/payment-scheme/index.ts'
import { sessionRequest } from '../../core/payment-scheme/session.ts'
import type { IssuedChallenge } from '../challenger.ts'
import { headerValue } from '../clear-request.ts'
import type { GateRequest, RouteTerms } from '../gate.ts'
import type { KeyRing } from '../keys.ts'
import { headerValues } from '../metering/header-values.ts'
import { acceptedIntents, type PaymentIntent } from './accept-payment.ts'
import { CHALLENGE_KEY } from './challenge-key.ts'
import { isConfidentialRequest } from './confidential.ts'
import { buysOneCall } from './present.ts'
import type { PaymentSchemeOptions } from './scheme.ts'
import { sellsSessions, sessionUnit } from './session/balance.ts'

/** What the scheme's lightning method has a name for. */
const NETWORKS: ReadonlySet<Network> = new Set(['mainnet', 'regtest', 'signet'])

/**
 * Whether challenges of a server hold the scheme where its client asks for it: of a network that the scheme has a name for, over
 * TLS or on this machine. `base` is scheme and authority of the request.
 */
export function carriesPayment({
  network,
  base,
}: {
  readonly network: Network
  readonly base: string
}): boolean {
  return NETWORKS.has(network) && isConfidentialRequest({ base })
}

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
  {
    network,
    always,
    bindBodies,
    sessions,
  }: Pick<PaymentSchemeOptions, 'network' | 'always' | 'bindBodies' | 'sessions'>,
): PaymentOffers {
  // The draft knows no plain HTTP.
  const offered = (request: GateRequest): readonly PaymentIntent[] =>
    carriesPayment({ network, base: request.base ?? '' })
      ? acceptedIntents(headerValues(request.headers, 'accept-payment'), always)
      : []

  /** What the client is to pay, in the words of each intent: the same invoice. */
  function requestOf(
    intent: PaymentIntent,
    route: RouteTerms,
    issued: IssuedChallenge,
  ): JsonObject | undefined {
    const { amountMsat, invoice, paymentHash } = issued
    if (intent === 'charge')
      return {
        amount: String(amountMsat / 1000n),
        currency: 'sat',
        methodDetails: { invoice, network, paymentHash },
      }
    if (sessions === undefined || !sellsSessions(route) || !sessions.offers(amountMsat)) return undefined
    const { idleTimeoutSeconds } = sessions
    const unit = sessionUnit(route, amountMsat)
    return sessionRequest({
      amount: String(unit.sats),
      currency: 'sat',
      unitType: unit.type,
      depositInvoice: invoice,
      paymentHash,
      depositAmount: String(amountMsat / 1000n),
      ...(idleTimeoutSeconds === null ? {} : { idleTimeout: String(idleTimeoutSeconds) }),
    })
  }
  return {
    lines(request, issued) {
      const { macaroon, expiresAt, amountMsat } = issued
      const { route, bodyDigest } = request
      // Nor does it know parts of a satoshi.
      if (amountMsat % 1000n !== 0n) return []
      return offered(request).flatMap((intent) => {
        const asked = requestOf(intent, route, issued)
        if (asked === undefined) return []
        const offer: PaymentOffer = {
          // A `|` would let two different challenges have one id.
          realm: new URL(request.base as string).host,
          method: 'lightning',
          intent,
          request: encodeJson(asked),
          expires: new Date(expiresAt * 1000).toISOString().replace('.000Z', 'Z'),
          // Of what buys several calls, each has a body of its own.
          ...(bindBodies && bodyDigest !== undefined && buysOneCall(route)
            ? { digest: formatBodyDigest(bodyDigest) }
            : {}),
          // What was sold, bound by the id: the macaroon holds service, route and every limit.
          opaque: encodeJson({ macaroon, route: route.name, service: route.service }),
        }
        const id = paymentChallengeId(keys.mintingKey(CHALLENGE_KEY), offer)
        return ['WWW-Authenticate', formatPaymentChallenge({ id, ...offer })]
      })
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
      return headerValue(headers, 'expect') === undefined && offered(request).includes('charge')
    },
  }
}
