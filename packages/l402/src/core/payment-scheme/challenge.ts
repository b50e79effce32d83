/** Challenges of the Payment scheme (draft-httpauth-payment-01; protocol §6): `WWW-Authenticate: Payment id="…", …`. */

import { parseAuthChallenges } from '../auth-header.ts'
import { encodeBase64Url, encodeUtf8, equalBytes } from '../bytes.ts'
import { hmacSha256 } from '../hash.ts'
import { decodeBase64Url } from './encoding.ts'

/** What a challenge says besides its id. Texts as they stand on the wire. */
export interface PaymentOffer {
  readonly realm: string
  /** `lightning`. */
  readonly method: string
  /** `charge` or `session`. */
  readonly intent: string
  /** Base64url of canonical JSON. */
  readonly request: string
  /** RFC 3339. */
  readonly expires?: string
  /** RFC 9530, of the request's body. */
  readonly digest?: string
  /** For people; bound by nothing. */
  readonly description?: string
  /** Base64url of a canonical JSON object of strings, for the server's own use. */
  readonly opaque?: string
  /** The field that the credential is to come in, if not `Authorization`. */
  readonly header?: string
}

/** A challenge. */
export interface PaymentChallenge extends PaymentOffer {
  readonly id: string
}

type ParamName = keyof PaymentChallenge

const REQUIRED = ['id', 'realm', 'method', 'intent', 'request'] as const
const OPTIONAL = ['expires', 'digest', 'description', 'opaque', 'header'] as const
const NAMES: readonly ParamName[] = [...REQUIRED, ...OPTIONAL]

/**
 * The id that binds a challenge to what it says: `b64url(HMAC-SHA256(secret, realm|method|intent|request|expires|digest|opaque))`,
 * with `header|` before `opaque` where there is one. What is left out is an empty slot.
 */
export function paymentChallengeId(secret: Uint8Array, offer: PaymentOffer): string {
  const { realm, method, intent, request, expires = '', digest = '', header, opaque = '' } = offer
  const slots = [realm, method, intent, request, expires, digest]
  if (header !== undefined) slots.push(header)
  slots.push(opaque)
  return encodeBase64Url(hmacSha256(secret, encodeUtf8(slots.join('|'))))
}

/** Whether the id is the one of this secret, in time that does not depend on it. */
export function isPaymentChallengeId(secret: Uint8Array, { id, ...offer }: PaymentChallenge): boolean {
  const given = decodeBase64Url(id)
  const own = decodeBase64Url(paymentChallengeId(secret, offer))
  return given !== undefined && own !== undefined && equalBytes(given, own)
}

/**
 * The value of a `WWW-Authenticate` line. Throws `TypeError` for a value with a control character other than a tab: a header
 * line cannot hold it.
 */
export function formatPaymentChallenge(challenge: PaymentChallenge): string {
  const params: string[] = []
  for (const name of NAMES) {
    const value = challenge[name]
    if (value === undefined) continue
    // biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 9110 §5.6.4 says which a quoted-string may hold
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
      throw new TypeError(`Payment challenge: expected no control characters in ${name}`)
    params.push(`${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`)
  }
  return `Payment ${params.join(', ')}`
}

/** A challenge whose parameters are found by name; `undefined` where one that every challenge has is missing or empty. */
export function paymentChallengeOf(
  textOf: (name: ParamName) => string | undefined,
): PaymentChallenge | undefined {
  const [id, realm, method, intent, request] = REQUIRED.map(textOf)
  if (!id || realm === undefined || !method || !intent || !request) return undefined
  const optional: { [name in (typeof OPTIONAL)[number]]?: string } = {}
  for (const name of OPTIONAL) {
    const value = textOf(name)
    if (value !== undefined) optional[name] = value
  }
  return { id, realm, method, intent, request, ...optional }
}

/** A challenge that was read. */
export interface ReadPaymentChallenge extends PaymentChallenge {
  /** Parameters that were given twice or end nobody knows where: no money may hang on this challenge then. */
  readonly doubtful: boolean
}

/**
 * The Payment challenges in the values of `WWW-Authenticate` lines, in order, those of other schemes and incomplete ones passed
 * over. Never throws; linear in the length.
 */
export function parsePaymentChallenges(values: readonly string[]): readonly ReadPaymentChallenge[] {
  const found: ReadPaymentChallenge[] = []
  for (const { scheme, params, doubtful } of parseAuthChallenges(values)) {
    if (scheme.toLowerCase() !== 'payment') continue
    const challenge = paymentChallengeOf((name) => params.get(name))
    if (challenge === undefined) continue
    found.push({ ...challenge, doubtful: NAMES.some((name) => doubtful.has(name)) })
  }
  return found
}
