/** A seller of single calls that knows the Payment scheme alone (protocol §6). */

import type { ServerResponse } from 'node:http'
import { encodeHex, encodeUtf8 } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/hash.ts'
import { decodeJsonObject, encodeJson, type JsonObject } from '../../src/core/payment-scheme/encoding.ts'
import {
  formatPaymentChallenge,
  formatPaymentReceipt,
  isPaymentChallengeId,
  type PaymentChallenge,
  type PaymentOffer,
  parsePaymentCredential,
  paymentChallengeId,
} from '../../src/core/payment-scheme/index.ts'
import { type Behaviour, challengeOf, type Received, type Seller } from './seller.ts'

const KEY = encodeUtf8('a secret of at least thirty-two bytes')

/** How a charge is to differ from an honest one: 10 sat, regtest, just made. */
export interface ChargePlan {
  readonly invoice?: NonNullable<Parameters<typeof challengeOf>[1]>['invoice']
  /** Members of the request that are another, or (`undefined`) not there. */
  readonly request?: Readonly<Record<string, unknown>>
  readonly details?: Readonly<Record<string, unknown>>
  readonly offer?: Partial<PaymentOffer>
}

/** A charge as it stands on the wire, and its challenge. */
export function chargeFor(
  { secrets, origin }: Seller,
  plan: ChargePlan = {},
): { readonly line: string; readonly challenge: PaymentChallenge } {
  const { invoice, paymentHash } = challengeOf(secrets, { invoice: plan.invoice ?? {} })
  const methodDetails = { invoice, network: 'regtest', paymentHash, ...plan.details }
  const request = { amount: '10', currency: 'sat', methodDetails, ...plan.request }
  const offer: PaymentOffer = {
    realm: new URL(origin).host,
    method: 'lightning',
    intent: 'charge',
    request: encodeJson(JSON.parse(JSON.stringify(request)) as JsonObject),
    expires: new Date(Date.now() + 600_000).toISOString(),
    ...plan.offer,
  }
  const challenge = { id: paymentChallengeId(KEY, offer), ...offer }
  return { line: formatPaymentChallenge(challenge), challenge }
}

/** Sells by charges alone. Each buys one call, and the field it comes in is the one that was asked for. */
export function sellsByCharge(
  plan: ChargePlan = {},
  served?: (response: ServerResponse) => unknown,
): Behaviour {
  const used = new Set<string>()
  return (received, response, seller) => {
    const paid = paidBy(received, plan.offer?.header ?? 'Authorization')
    if (paid === undefined || used.has(paid.reference))
      return response.writeHead(402, { 'www-authenticate': chargeFor(seller, plan).line }).end('pay first')
    used.add(paid.reference)
    if (served) return served(response)
    const receipt = formatPaymentReceipt({
      status: 'success',
      method: 'lightning',
      timestamp: new Date().toISOString(),
      ...paid,
    })
    return response.setHeader('payment-receipt', receipt).end('sunny')
  }
}

/** What a request is paid by, as an honest server sees it. */
export function paidBy(
  { headers }: Received,
  field = 'Authorization',
): { readonly challengeId: string; readonly reference: string } | undefined {
  const credential = parsePaymentCredential(String(headers[field.toLowerCase()] ?? ''))
  if (credential === undefined || !isPaymentChallengeId(KEY, credential.challenge)) return undefined
  const { methodDetails } = decodeJsonObject(credential.challenge.request) as { methodDetails: JsonObject }
  const { preimage } = credential.payload
  if (typeof preimage !== 'string' || !/^[0-9a-f]{64}$/.test(preimage)) return undefined
  const reference = encodeHex(sha256(Uint8Array.from(Buffer.from(preimage, 'hex'))))
  return reference === methodDetails['paymentHash']
    ? { challengeId: credential.challenge.id, reference }
    : undefined
}
