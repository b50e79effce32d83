import { bech32 } from '@scure/base'
import { decodeUtf8 } from '../bytes.ts'
import type { Network } from '../network.ts'
import { decodeFallback } from './fallback.ts'
import { checkFeatures, decodeFeatures } from './features.ts'
import { allOf, bytesOf, type Fields, integerOf, minimalOf, readFields } from './fields.ts'
import {
  DEFAULT_EXPIRY_SECONDS,
  DEFAULT_MIN_FINAL_CLTV_EXPIRY,
  type FallbackAddress,
  FIELD,
  type Invoice,
  MAX_INVOICE_LENGTH,
} from './invoice.ts'
import { malformed } from './malformed.ts'
import { parsePrefix } from './prefix.ts'
import { decodeRouteHint } from './route-hint.ts'
import { payeeOf, SIGNATURE_WORDS, signedHash } from './signature.ts'
import { type Words, wordsToBytes, wordsToInteger } from './words.ts'

const TIMESTAMP_WORDS = 7
const HASH_WORDS = 52
const KEY_WORDS = 53

/**
 * Reads a BOLT 11 invoice, all lower or all upper case, without a URI scheme, and checks all of it: checksum,
 * prefix, fields, features, signature. Whether it has expired, and for which network it is, is for the caller.
 *
 * Where a field that should stand once stands several times, the first that is not skipped counts.
 *
 * @throws {L402Error} `malformed` for anything else, in time bounded by {@link MAX_INVOICE_LENGTH}.
 */
export function decodeInvoice(text: string): Invoice {
  const { content, prefix, words, fields } = readInvoice(text)
  const named = bytesOf(fields, FIELD.n, KEY_WORDS)
  const signature = readSignature(words.slice(-SIGNATURE_WORDS))
  const payee = payeeOf(signedHash(prefix, words.slice(0, -SIGNATURE_WORDS)), signature, named)
  return { ...content, payee, ...signature }
}

/** What an invoice says, without who says it. */
export type UnverifiedInvoice = Omit<Invoice, 'payee' | 'signature' | 'recoveryId'>

/**
 * Reads an invoice without checking its signature, which costs a hundred times as much as the rest: for a seller whose
 * own node has just made it. Whoever pays an invoice uses {@link decodeInvoice}.
 *
 * @throws {L402Error} `malformed`
 */
export function decodeUnverifiedInvoice(text: string): UnverifiedInvoice {
  return readInvoice(text).content
}

interface ReadInvoice {
  readonly content: UnverifiedInvoice
  readonly prefix: string
  readonly words: Words
  readonly fields: Fields
}

function readInvoice(text: string): ReadInvoice {
  const { prefix, words } = readBech32(text)
  const { network, amountMsat } = parsePrefix(prefix)
  if (words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS) {
    throw malformed('a timestamp and a signature', `${words.length} words of data`)
  }
  const timestamp = wordsToInteger(words.slice(0, TIMESTAMP_WORDS))
  const fields = readFields(words.slice(TIMESTAMP_WORDS, -SIGNATURE_WORDS))
  const features = decodeFeatures(minimalOf(fields, FIELD.features) ?? [])
  checkFeatures(features)
  const expirySeconds = integerOf(fields, FIELD.x, DEFAULT_EXPIRY_SECONDS)
  const content = {
    network,
    amountMsat,
    timestamp,
    expirySeconds,
    expiresAt: timestamp + expirySeconds,
    paymentHash: required(bytesOf(fields, FIELD.p, HASH_WORDS), 'a payment hash (field p)'),
    paymentSecret: required(bytesOf(fields, FIELD.s, HASH_WORDS), 'a payment secret (field s)'),
    ...readDescription(fields),
    minFinalCltvExpiry: integerOf(fields, FIELD.c, DEFAULT_MIN_FINAL_CLTV_EXPIRY),
    routeHints: allOf(fields, FIELD.r).map(decodeRouteHint),
    features,
    metadata: bytesOf(fields, FIELD.m),
    fallbackAddresses: readFallbacks(fields, network),
  }
  return { content, prefix, words, fields }
}

/** BIP-173 without its limit of 90 characters. */
function readBech32(text: string): { prefix: string; words: Words } {
  if (text.length > MAX_INVOICE_LENGTH) {
    throw malformed(`at most ${MAX_INVOICE_LENGTH} characters`, `${text.length}`)
  }
  // Also keeps out letters of other scripts whose lower case is ASCII.
  if (!/^(?:[0-9a-z]+|[0-9A-Z]+)$/.test(text)) {
    throw malformed('digits and letters of one case', /^[0-9a-zA-Z]*$/.test(text) ? 'mixed case' : 'others')
  }
  if (!text.includes('1')) throw malformed('a prefix, the separator 1 and data', 'no separator')
  const decoded = bech32.decodeUnsafe(text, false)
  if (decoded === undefined) throw malformed('a bech32 checksum that holds', 'a typing error or other text')
  return decoded
}

function readDescription(fields: Fields): Pick<Invoice, 'description' | 'descriptionHash'> {
  const bytes = bytesOf(fields, FIELD.d)
  const descriptionHash = bytesOf(fields, FIELD.h, HASH_WORDS)
  if ((bytes === null) === (descriptionHash === null)) {
    throw malformed(
      'either a description (field d) or its hash (field h)',
      bytes === null ? 'neither' : 'both',
    )
  }
  if (bytes === null) return { description: null, descriptionHash }
  const description = decodeUtf8(bytes)
  if (description === undefined) throw malformed('UTF-8 in field d', 'other bytes')
  return { description, descriptionHash: null }
}

function readFallbacks(fields: Fields, network: Network): readonly FallbackAddress[] {
  return allOf(fields, FIELD.f)
    .map((words) => decodeFallback(words, network))
    .filter((address) => address !== undefined)
}

function readSignature(words: Words): Pick<Invoice, 'signature' | 'recoveryId'> {
  const bytes = wordsToBytes(words) as Uint8Array // 104 words are 65 bytes with nothing left over
  return { signature: bytes.slice(0, 64), recoveryId: bytes[64] as number }
}

function required(bytes: Uint8Array | null, what: string): Uint8Array {
  if (bytes === null) throw malformed(what, 'none')
  return bytes
}
