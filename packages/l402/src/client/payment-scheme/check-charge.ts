/** What the gate asks of a charge besides what it asks of every invoice (rule C2): the two must say the same. */

import type { Invoice } from '../../core/bolt11/index.ts'
import { encodeHex } from '../../core/bytes.ts'
import { isConfidential } from '../../core/payment-scheme/confidential.ts'
import { isBodyDigest } from '../../core/payment-scheme/digest.ts'
import { decodeJsonObject } from '../../core/payment-scheme/encoding.ts'
import type { Hop } from '../hop.ts'
import type { ChallengeReason } from '../types.ts'
import { credentialField } from './carry.ts'
import { type Charge, detailsOf } from './charge.ts'

/** What speaks against paying. */
interface Objection {
  readonly reason: ChallengeReason
  readonly detail: string
}

/** What speaks against the charge, if anything. Its realm does not: deployed servers write there what they like. */
export function objectionTo(charge: Charge, invoice: Invoice, hop: Hop): Objection | undefined {
  const { challenge } = charge
  const { amount, currency } = decodeJsonObject(challenge.request) ?? {}
  const { paymentHash, network } = detailsOf(challenge)
  // The preimage in the credential would be everybody's.
  if (!isConfidential(hop.url.href))
    return { reason: 'no_challenge', detail: 'the Payment scheme is not used over plain HTTP' }
  if (credentialField(challenge) === undefined)
    return { reason: 'malformed', detail: 'the charge wants its credential in a header that does not exist' }
  if (currency !== 'sat') return { reason: 'malformed', detail: 'the charge is not in satoshi' }
  if (typeof amount !== 'string' || !/^[1-9]\d{0,15}$/.test(amount))
    return { reason: 'malformed', detail: 'the charge names no amount' }
  if (BigInt(amount) * 1000n !== invoice.amountMsat)
    return { reason: 'amount_mismatch', detail: 'the charge names another amount than its invoice' }
  if (paymentHash !== undefined && paymentHash !== encodeHex(invoice.paymentHash))
    return { reason: 'hash_mismatch', detail: 'the charge names another payment than its invoice' }
  if (network !== undefined && network !== invoice.network)
    return { reason: 'wrong_network', detail: 'the charge names another network than its invoice' }
  if (challenge.expires !== undefined && !RFC_3339.test(challenge.expires))
    return { reason: 'malformed', detail: 'the charge does not say when it ends' }
  return bodyObjection(charge, hop)
}

/** The scheme binds a charge to the body that was sent; one for another body would be paid and not served. */
function bodyObjection({ challenge: { digest } }: Charge, { body }: Hop): Objection | undefined {
  if (digest === undefined || (body !== null && !(body instanceof Uint8Array))) return undefined
  const same = isBodyDigest(digest, body ?? new Uint8Array(0))
  if (same === true) return undefined
  const detail =
    same === false ? 'the charge is for another body' : 'the charge is bound to a digest unknown here'
  return { reason: 'malformed', detail }
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** Unix seconds when a charge ends: the earlier of what it says and of its invoice. */
export function chargeEnd(expires: string | undefined, invoiceEnd: number): number {
  const stated = expires === undefined ? Number.NaN : Math.floor(Date.parse(expires) / 1000)
  return Number.isNaN(stated) ? invoiceEnd : Math.min(stated, invoiceEnd)
}
