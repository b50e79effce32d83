/** Canonical JSON in base64url: how the Payment scheme writes requests, credentials and receipts. */

import { decodeBase64, decodeUtf8, encodeBase64Url, encodeUtf8 } from '../bytes.ts'

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** An object of JSON. */
export type JsonObject = { readonly [name: string]: Json }

/**
 * The one text of a JSON value: RFC 8785. Members are sorted by UTF-16 code units, numbers and strings are ECMAScript's own.
 * Throws `TypeError` for a number that is not finite and for text that is not Unicode.
 */
export function canonicalJson(value: Json): string {
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('canonical JSON: expected finite numbers')
      return JSON.stringify(value)
    case 'string':
      return text(value)
    case 'boolean':
      return String(value)
    default:
      break
  }
  if (value === null) return 'null'
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.keys(value)
    .sort()
    .map((name) => `${text(name)}:${canonicalJson(value[name] as Json)}`)
  return `{${members.join(',')}}`
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function text(value: string): string {
  // A lone surrogate has no UTF-8.
  if (/[\uD800-\uDFFF]/u.test(value)) throw new TypeError('canonical JSON: expected well-formed Unicode')
  return JSON.stringify(value)
}

/** Base64url, padded or not, with one spelling for every string of bytes; `undefined` for anything else. */
export function decodeBase64Url(encoded: string): Uint8Array | undefined {
  return /[+/]/.test(encoded) ? undefined : decodeBase64(encoded)
}

/** A JSON value as a parameter or a header line holds it. */
export function encodeJson(value: Json): string {
  return encodeBase64Url(encodeUtf8(canonicalJson(value)))
}

/** The object that such a text holds; `undefined` for anything else. Need not be canonical: deployed programs do not care. */
export function decodeJsonObject(encoded: string): JsonObject | undefined {
  const bytes = decodeBase64Url(encoded)
  const json = bytes === undefined ? undefined : decodeUtf8(bytes)
  if (json === undefined) return undefined
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}
