/** How a paid charge goes back to its server: one credential, in the one field that the challenge names. */

import { encodeHex } from '../../core/bytes.ts'
import type { PaymentChallenge } from '../../core/payment-scheme/challenge.ts'
import { formatPaymentCredential, isPaymentScheme } from '../../core/payment-scheme/credential.ts'
import { chargedIn } from './charge.ts'

const FIELDS = ['authorization', 'payment-authorization'] as const

/** The field in lower case; `undefined` where the challenge names one that the scheme does not have. */
export function credentialField({
  header = 'authorization',
}: Pick<PaymentChallenge, 'header'>): (typeof FIELDS)[number] | undefined {
  return FIELDS.find((name) => name === header.toLowerCase())
}

/** Whether the credential of a charge can stand beside the headers of a request, which are never replaced (rule C6). */
export function standsBeside(headers: Headers, challenge: PaymentChallenge): boolean {
  const field = credentialField(challenge)
  const own = headers.get('authorization')
  // One credential of this scheme per request.
  return field !== undefined && !headers.has(field) && !(own !== null && isPaymentScheme(own))
}

/** Sets the credential; answers false for a text that is no charge's. */
export function attachCharge(
  headers: Headers,
  { macaroon, preimage }: { readonly macaroon: string; readonly preimage: Uint8Array },
): boolean {
  const challenge = chargedIn(macaroon)
  if (challenge === undefined) return false
  const field = credentialField(challenge)
  if (field === undefined || !standsBeside(headers, challenge))
    throw new TypeError('the credential of a charge cannot stand beside these headers')
  headers.set(field, formatPaymentCredential({ challenge, payload: { preimage: encodeHex(preimage) } }))
  return true
}
