/** Values out of answers that may hold anything. */

import { decodeBase64, decodeHex } from '../../core/bytes.ts'

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>

const MAX_DETAIL = 300

/** The object, or an empty one for anything else. */
export function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

/** The list, or an empty one for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Printable text of a bounded length. */
export function textOf(value: unknown, otherwise = ''): string {
  if (typeof value !== 'string' || value === '') return otherwise
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return value.slice(0, MAX_DETAIL).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}

/** A whole number, 0 or more, as a number or decimal text. */
export function wholeOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
  return typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined
}

/** 32 bytes in hex. */
export function hash32(value: unknown): Uint8Array | undefined {
  const bytes = typeof value === 'string' ? decodeHex(value) : undefined
  return bytes?.length === 32 ? bytes : undefined
}

/** 32 bytes in base64, standard or url-safe. */
export function hash32Base64(value: unknown): Uint8Array | undefined {
  const bytes = typeof value === 'string' ? decodeBase64(value) : undefined
  return bytes?.length === 32 ? bytes : undefined
}
