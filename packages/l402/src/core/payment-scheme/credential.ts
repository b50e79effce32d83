/** Credentials of the Payment scheme: `Authorization: Payment <base64url JSON>` (protocol §6). */

import { type PaymentChallenge, paymentChallengeOf } from './challenge.ts'
import { decodeJsonObject, encodeJson, type JsonObject } from './encoding.ts'

/** A challenge that came back, and what proves that it was met. Nothing has been verified yet. */
export interface PaymentCredential {
  readonly challenge: PaymentChallenge
  /** Whose it is, a DID. */
  readonly source?: string
  readonly payload: JsonObject
}

/** More than the 4 KiB that the draft asks for, less than Node takes in one head. */
const MAX_TEXT = 16 * 1024

/** Whether the value of an `Authorization` line is of this scheme. */
export function isPaymentScheme(value: string): boolean {
  return /^payment[ \t]/i.test(value)
}

/**
 * Reads the value of an `Authorization` (or `Payment-Authorization`) line; `undefined` for what is no credential of this
 * scheme. Unknown members are ignored. Never throws.
 */
export function parsePaymentCredential(value: string): PaymentCredential | undefined {
  if (!isPaymentScheme(value) || value.length > MAX_TEXT) return undefined
  const { challenge, payload, source } = decodeJsonObject(value.slice(7).trim()) ?? {}
  if (!isObject(challenge) || !isObject(payload)) return undefined
  // A parameter that is no text makes the credential none.
  const texts = Object.values(challenge).every((value) => value === null || typeof value === 'string')
  const offered = paymentChallengeOf((name) => (challenge[name] ?? undefined) as string | undefined)
  if (!texts || offered === undefined) return undefined
  return { challenge: offered, ...(typeof source === 'string' ? { source } : {}), payload }
}

/**
 * The credentials of this scheme in the value of an `Authorization` line: the value itself, or what stands in it where
 * lines of several schemes were joined with commas (rule V2).
 */
export function paymentTexts(value: string): readonly string[] {
  if (!value.includes(',')) return isPaymentScheme(value) ? [value] : []
  // A comma may stand in another scheme's quotes: what follows it counts only where it is a credential.
  const parts = value.split(',').map((part) => part.trim())
  const found = parts.filter((part) => parsePaymentCredential(part) !== undefined)
  return found.length === 0 && isPaymentScheme(value) ? [value] : found
}

/** The value of the one line that we send. Throws `TypeError` for text that is not Unicode. */
export function formatPaymentCredential({ challenge, source, payload }: PaymentCredential): string {
  return `Payment ${encodeJson({ challenge: { ...challenge }, ...(source === undefined ? {} : { source }), payload })}`
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
