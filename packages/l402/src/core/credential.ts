/** The L402 credential: what a client presents (rules V1–V6), and what must not go on to the upstream. */

import { decodeBase64, decodeHex, decodeUtf8, encodeHex, encodeUtf8, equalBytes } from './bytes.ts'
import {
  type CredentialField,
  credentialField,
  looksLikeHexMacaroon,
  type Presented,
  readAuthorization,
  readHexField,
  startsWithScheme,
} from './credential-lines.ts'
import { isL402Error } from './errors.ts'
import type { HeaderLines } from './header-lines.ts'
import { decodeMacaroon, type Macaroon } from './macaroon.ts'
import { parsePaymentCredential, paymentTexts } from './payment-scheme/credential.ts'
import { type Refusal, refuse } from './refusal.ts'

/** A macaroon and the preimage presented with it. Nothing has been verified yet. */
export interface Credential {
  readonly macaroon: Macaroon
  /** 32 bytes. */
  readonly preimage: Uint8Array
}

// protocol V6; the bounds of one macaroon are decodeMacaroon's
const MAX_TEXT = 16 * 1024
const MAX_MACAROONS = 16
// Of all macaroons together: each one costs a hash per key, and nobody has paid yet.
const MAX_CAVEATS = 256
/** Version, identifier tag and length, two ends, signature: nothing shorter is worth an exception. */
const MIN_MACAROON = 39
const PREIMAGE_LENGTH = 32

const EXPECTED = '"L402 <base64 macaroon>:<64 hex digits of the preimage>"'
const PREIMAGE_CONDITION = encodeUtf8('preimage=')

function decodeToken(token: string, field: CredentialField): Macaroon | undefined {
  const bytes = field === 'authorization' ? decodeBase64(token) : decodeHex(token)
  if (bytes === undefined || bytes.length < MIN_MACAROON) return undefined
  try {
    return decodeMacaroon(bytes)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return undefined
    throw error
  }
}

/** Whether the value calls itself L402, or presents a macaroon (or more tokens than we try) without a scheme (V1). */
function holdsCredential(value: string): boolean {
  if (startsWithScheme(value)) return true
  const { claimed, presented } = readAuthorization(value)
  if (claimed) return true
  const tokens = presented.flatMap((one) => one.tokens)
  return tokens.length > MAX_MACAROONS || tokens.some((token) => decodeToken(token, 'authorization'))
}

/** The field, if this line has to do with credentials; `undefined` for `Authorization: Bearer …` and the like. */
function credentialFieldOf(name: string, value: string): CredentialField | undefined {
  const field = credentialField(name)
  if (field === undefined || value === '') return undefined
  if (field === 'authorization') return holdsCredential(value) ? field : undefined
  if (field === 'token') return looksLikeHexMacaroon(value) ? field : undefined
  return field
}

/**
 * All text that parsing depends on, as one key for a cache of verdicts: the value itself where one `Authorization`
 * line is all there is. `undefined` exactly when {@link parseCredentials} answers `missing`.
 *
 * Different lines have different keys: every part but a lone `Authorization` value stands after its name, length and
 * a line feed, and a value with a line feed is never lone.
 */
export function credentialText(headers: HeaderLines): string | undefined {
  let lone: string | undefined
  let key = ''
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] ?? ''
    const field = credentialFieldOf(headers[i] ?? '', value)
    if (field === undefined) continue
    if (key === '' && lone === undefined && field === 'authorization' && !value.includes('\n')) {
      lone = value
      continue
    }
    if (lone !== undefined) key = keyPart('authorization', lone)
    lone = undefined
    key += keyPart(field, value)
  }
  return lone ?? (key === '' ? undefined : key)
}

function keyPart(field: CredentialField, value: string): string {
  return `${field} ${value.length}\n${value}`
}

/** The value of a `preimage=<64 hex>` caveat; `undefined` for another condition, empty for a value that is none. */
function preimageOfCaveat(id: Uint8Array): Uint8Array | undefined {
  const { length } = PREIMAGE_CONDITION
  if (id.length < length || !equalBytes(id.subarray(0, length), PREIMAGE_CONDITION)) return undefined
  const preimage = decodeHex(decodeUtf8(id.subarray(length)) ?? '')
  return preimage?.length === PREIMAGE_LENGTH ? preimage : new Uint8Array(0)
}

/** The one preimage that suffix and caveats agree on (V3, V4), or why there is none. */
function agreedPreimage(macaroon: Macaroon, suffix: Uint8Array | undefined): Uint8Array | Refusal {
  let agreed = suffix
  for (const caveat of macaroon.caveats) {
    const stated = caveat.verificationId === undefined ? preimageOfCaveat(caveat.id) : undefined
    if (stated === undefined) continue
    if (stated.length === 0) return refuse('malformed', 'expected 64 hex digits in the preimage caveat')
    if (agreed !== undefined && !equalBytes(agreed, stated)) {
      return refuse('bad_preimage', 'expected the same preimage in every place that names one')
    }
    agreed = stated
  }
  return agreed ?? refuse('malformed', 'expected a preimage caveat in the macaroon')
}

function readCredential(token: string, presented: Presented, field: CredentialField): Credential | Refusal {
  const suffix = presented.preimage === undefined ? undefined : decodeHex(presented.preimage)
  if (presented.preimage !== undefined && suffix === undefined)
    return refuse('malformed', `expected ${EXPECTED}`)
  const macaroon = decodeToken(token, field)
  if (macaroon === undefined) {
    const encoding = field === 'authorization' ? 'base64' : 'hex'
    return refuse('malformed', `expected a macaroon of at most 8 KiB in ${encoding}`)
  }
  const preimage = agreedPreimage(macaroon, suffix)
  return preimage instanceof Uint8Array ? { macaroon, preimage } : preimage
}

/**
 * Every credential in the request, in order; any one that verifies is enough (V2, V5). `missing` when no line looks
 * like a credential, a lone Bearer for example; `bad_preimage` when the only ones name different preimages (V4);
 * `malformed` for everything else. Never throws on any text, and never quotes it.
 */
export function parseCredentials(
  headers: HeaderLines,
): { readonly ok: true; readonly credentials: readonly Credential[] } | Refusal {
  const credentials: Credential[] = []
  let refusal: Refusal | undefined
  let length = 0
  let tokens = 0
  let caveats = 0
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] ?? ''
    const field = credentialFieldOf(headers[i] ?? '', value)
    if (field === undefined) continue
    length += value.length
    if (length > MAX_TEXT) return refuse('malformed', 'expected at most 16 KiB of credentials')
    refusal ??= refuse('malformed', `expected ${EXPECTED}`)
    const all = field === 'authorization' ? readAuthorization(value).presented : [readHexField(value)]
    for (const presented of all) {
      for (const token of presented.tokens) {
        if (++tokens > MAX_MACAROONS) return refuse('malformed', 'expected at most 16 macaroons')
        const read = readCredential(token, presented, field)
        if (!('ok' in read)) {
          caveats += read.macaroon.caveats.length
          if (caveats > MAX_CAVEATS) return refuse('malformed', 'expected at most 256 caveats in all')
          credentials.push(read)
        } else if (refusal.reason !== 'bad_preimage') refusal = read
      }
    }
  }
  if (credentials.length > 0) return { ok: true, credentials }
  return refusal ?? refuse('missing', `expected an Authorization header of the form ${EXPECTED}`)
}

/**
 * The texts that name the credentials of a request, for the `ath` of a proof of possession (RFC 9449 §4.2): each macaroon
 * as it was sent, and with the preimage behind its colon.
 */
export function credentialTokens(headers: HeaderLines): readonly string[] {
  const texts: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] ?? ''
    const field = credentialFieldOf(headers[i] ?? '', value)
    if (field === undefined || value.length > MAX_TEXT) continue
    const all = field === 'authorization' ? readAuthorization(value).presented : [readHexField(value)]
    for (const { tokens, preimage } of all) {
      for (const token of tokens.slice(0, MAX_MACAROONS)) {
        texts.push(token)
        if (preimage !== undefined) texts.push(`${token}:${preimage}`)
      }
    }
  }
  return texts
}

function holdsPayment(value: string): boolean {
  return paymentTexts(value).some((text) => parsePaymentCredential(text) !== undefined)
}

/**
 * Whether a header line must not reach the upstream: it presents an L402 credential, maybe joined with another
 * scheme's, or one of the Payment scheme (protocol §6). A `token` or `Macaroon` line that holds something else is the upstream's own business.
 */
export function isCredentialLine(name: string, value: string): boolean {
  const field = credentialField(name)
  if (field === undefined) return false
  if (field === 'authorization') return holdsCredential(value) || holdsPayment(value)
  return readHexField(value).tokens.some((token) => decodeToken(token, field) !== undefined)
}

/**
 * The value of the one `Authorization` line that we send: `L402 <text as received>:<lower-case hex>`.
 * Throws `TypeError` for a macaroon text that a header cannot carry, `RangeError` for a preimage that is not 32 bytes.
 */
export function formatCredential(macaroonText: string, preimage: Uint8Array): string {
  if (!/^[0-9A-Za-z+/=_.~-]+$/.test(macaroonText)) throw new TypeError('macaroonText: expected base64 text')
  if (preimage.length !== PREIMAGE_LENGTH) throw new RangeError('preimage: expected 32 bytes')
  return `L402 ${macaroonText}:${encodeHex(preimage)}`
}
