/**
 * A whole answer in one header value, for proxies that take nothing but 401 from whom they ask (nginx): they hand the value
 * back in a second request and pass on what that is answered.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { AskedAnswer } from '../proxy/index.ts'

const MOST_BYTES = 256 * 1024

/** Base64url of the packed status, lines and body. */
export function wrapAnswer({ status, lines, body }: AskedAnswer): string {
  return deflateRawSync(JSON.stringify([status, lines, body.toString('latin1')])).toString('base64url')
}

/** What {@link wrapAnswer} made; `undefined` for anything else. */
export function unwrapAnswer(text: string): Omit<AskedAnswer, 'pass'> | undefined {
  let value: unknown
  try {
    const packed = Buffer.from(text, 'base64url')
    value = JSON.parse(inflateRawSync(packed, { maxOutputLength: MOST_BYTES }).toString('utf8'))
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  const [status, lines, body]: readonly unknown[] = value
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    return undefined
  if (!Array.isArray(lines) || lines.length % 2 !== 0 || typeof body !== 'string') return undefined
  if (!lines.every((line): line is string => typeof line === 'string')) return undefined
  return { status, lines, body: Buffer.from(body, 'latin1') }
}
