import { bech32 } from '@scure/base'
import { decodeUtf8, encodeUtf8 } from '../bytes.ts'
import { encodeFallback } from './fallback.ts'
import { encodeFeatures } from './features.ts'
import {
  DEFAULT_EXPIRY_SECONDS,
  DEFAULT_MIN_FINAL_CLTV_EXPIRY,
  FIELD,
  type InvoiceFields,
  MAX_INVOICE_LENGTH,
} from './invoice.ts'
import { formatPrefix } from './prefix.ts'
import { encodeRouteHint } from './route-hint.ts'
import { isPrivateKey, publicKeyOf, signedHash, signInvoice } from './signature.ts'
import { bytesToWords, integerToWords, type Words } from './words.ts'

const DEFAULT_FEATURES = [8, 14]

/**
 * Writes and signs a BOLT 11 invoice; the same fields and key give the same text. Fields stand in the order of the
 * specification's newer examples, and those at their default are left out. Features are written as told, even such
 * that {@link decodeInvoice} refuses.
 *
 * @throws {TypeError} unless exactly one of `description` and `descriptionHash` is given.
 * @throws {RangeError} for a value that does not fit its field, or an invoice that grows too long to be read.
 */
export function encodeInvoice(fields: InvoiceFields, privateKey: Uint8Array): string {
  if (!isPrivateKey(privateKey)) throw new RangeError('privateKey must be 32 bytes, a scalar of secp256k1')
  const expiry = checkInteger(fields.expirySeconds ?? DEFAULT_EXPIRY_SECONDS, 'expirySeconds', 40)
  const cltv = checkInteger(
    fields.minFinalCltvExpiry ?? DEFAULT_MIN_FINAL_CLTV_EXPIRY,
    'minFinalCltvExpiry',
    40,
  )
  const features = encodeFeatures(fields.features ?? DEFAULT_FEATURES)

  const prefix = formatPrefix(fields.network, fields.amountMsat)
  const data = [
    ...integerToWords(checkInteger(fields.timestamp, 'timestamp', 35), 7),
    ...field(FIELD.s, hashWords(fields.paymentSecret, 'paymentSecret')),
    ...field(FIELD.p, hashWords(fields.paymentHash, 'paymentHash')),
    ...descriptionField(fields),
    ...(expiry === DEFAULT_EXPIRY_SECONDS ? [] : field(FIELD.x, integerToWords(expiry))),
    ...(cltv === DEFAULT_MIN_FINAL_CLTV_EXPIRY ? [] : field(FIELD.c, integerToWords(cltv))),
    ...(fields.includePayee ? field(FIELD.n, bytesToWords(publicKeyOf(privateKey))) : []),
    ...(fields.metadata ? field(FIELD.m, bytesToWords(fields.metadata)) : []),
    ...(fields.fallbackAddresses ?? []).flatMap((address) => field(FIELD.f, encodeFallback(address))),
    ...(fields.routeHints ?? []).flatMap((hops) => field(FIELD.r, encodeRouteHint(hops))),
    ...(features.length === 0 ? [] : field(FIELD.features, features)),
  ]
  const signature = signInvoice(signedHash(prefix, data), privateKey)
  const text = bech32.encode(prefix, [...data, ...bytesToWords(signature)], false)
  if (text.length > MAX_INVOICE_LENGTH) {
    throw new RangeError(
      `an invoice must have at most ${MAX_INVOICE_LENGTH} characters, this one has ${text.length}`,
    )
  }
  return text
}

function field(type: number, words: Words): number[] {
  if (words.length > 1023) throw new RangeError('a field of an invoice holds at most 639 bytes')
  return [type, ...integerToWords(words.length, 2), ...words]
}

function descriptionField({ description = null, descriptionHash = null }: InvoiceFields): number[] {
  if ((description === null) === (descriptionHash === null)) {
    throw new TypeError('an invoice needs either description or descriptionHash')
  }
  if (descriptionHash !== null) return field(FIELD.h, hashWords(descriptionHash, 'descriptionHash'))
  const bytes = encodeUtf8(description ?? '')
  if (decodeUtf8(bytes) !== description) throw new RangeError('description must be well-formed Unicode')
  return field(FIELD.d, bytesToWords(bytes))
}

function hashWords(bytes: Uint8Array, name: string): number[] {
  if (bytes.length !== 32) throw new RangeError(`${name} must be 32 bytes`)
  return bytesToWords(bytes)
}

function checkInteger(value: number, name: string, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(`${name} must be a whole number of at most ${bits} bits`)
  }
  return value
}
