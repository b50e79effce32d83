/**
 * The Payment scheme's MCP transport and its header lines say the same, but for the challenge's request: JSON here, the text
 * of its canonical JSON there. So both ways of every translation stand in this file.
 */

import { encodeUtf8 } from '../core/bytes.ts'
import { paymentChallengeOf } from '../core/payment-scheme/challenge.ts'
import {
  canonicalJson,
  decodeJsonObject,
  encodeBase64Url,
  encodeJson,
  formatPaymentChallenge,
  type Json,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentCredential,
} from '../core/payment-scheme/index.ts'
import { isJsonObject } from './wire.ts'

/** Longest challenge that is read: servers need not take more back (V6), and it stands in the books. */
const MOST_TEXT = 16 * 1024

/** A challenge as the transport has it; `undefined` for one whose request is not JSON. */
export function challengeJson(challenge: PaymentChallenge): JsonObject | undefined {
  const request = decodeJsonObject(challenge.request)
  return request === undefined ? undefined : { ...challenge, request }
}

/** The line that a challenge amounts to, for the client's own gate to judge. What cannot be one is a charge without an invoice. */
export function challengeLine(one: unknown): string {
  const challenge = isJsonObject(one) ? challengeOf(one) : undefined
  const line = challenge === undefined ? undefined : lineOf(challenge)
  return line === undefined || line.length > MOST_TEXT ? MALFORMED : line
}

const MALFORMED = 'Payment id="-", realm="-", method="lightning", intent="charge", request="-"'

function challengeOf({ request, ...one }: JsonObject): PaymentChallenge | undefined {
  try {
    const texts: JsonObject = { ...one, request: textOfRequest(request) }
    const challenge = paymentChallengeOf((name) => {
      const value = texts[name]
      return typeof value === 'string' ? value : undefined
    })
    if (challenge?.description === undefined || isAscii(challenge.description)) return challenge
    // Bound by nothing, and the one text that people write: left out where a header line cannot hold it.
    const { description: _, ...rest } = challenge
    return rest
  } catch {
    // Not Unicode: it could not be sent back as it came.
    return undefined
  }
}

function lineOf(challenge: PaymentChallenge): string | undefined {
  try {
    const line = formatPaymentChallenge(challenge)
    return isAscii(line) ? line : undefined
  } catch {
    return undefined
  }
}

/** The credential in the transport's form, from the header's; `undefined` for what is none. */
export function credentialJson(line: string): JsonObject | undefined {
  const credential = parsePaymentCredential(line)
  if (credential === undefined) return undefined
  const challenge = challengeJson(credential.challenge)
  return challenge === undefined ? undefined : { ...credential, challenge }
}

/** The same backwards. Throws `TypeError` for text that is not Unicode. */
export function credentialLine(credential: JsonObject): string {
  const { challenge } = credential
  if (!isJsonObject(challenge)) return `Payment ${encodeJson(credential)}`
  const request = textOfRequest(challenge['request'])
  return `Payment ${encodeJson({ ...credential, challenge: { ...challenge, request } })}`
}

/** A receipt as its header line; `undefined` for what cannot be one. */
export function receiptLine(receipt: unknown): string | undefined {
  if (!isJsonObject(receipt)) return undefined
  try {
    return encodeJson(receipt)
  } catch {
    return undefined
  }
}

function textOfRequest(request: Json | undefined): Json {
  return isJsonObject(request) ? encodeBase64Url(encodeUtf8(canonicalJson(request))) : (request ?? null)
}

function isAscii(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text)
}
