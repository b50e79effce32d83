/** The `digest` of a challenge: what body it is for (RFC 9530, as the Payment scheme has it). */

import { decodeBase64, encodeBase64, equalBytes } from '../bytes.ts'
import { sha256 } from '../hash.ts'

/** A body's SHA-256 as it stands in a challenge: `sha-256=:<base64>:`. */
export function formatBodyDigest(digest: Uint8Array): string {
  return `sha-256=:${encodeBase64(digest)}:`
}

/** The digest of a body, in that form. */
export function bodyDigest(body: Uint8Array): string {
  return formatBodyDigest(sha256(body))
}

/**
 * Whether a challenge's digest is this body's; `undefined` where it names no SHA-256. Written with the colons of RFC 9530 or
 * without them, as deployed programs do; of several algorithms SHA-256 counts, and every one of that name has to match.
 */
export function isBodyDigest(digest: string, body: Uint8Array): boolean | undefined {
  const own = sha256(body)
  let found: boolean | undefined
  for (const member of digest.split(',')) {
    const [, name = '', text = ''] = /^\s*([!-<>-~]+)=(.*?)\s*$/.exec(member) ?? []
    if (name.toLowerCase() !== 'sha-256') continue
    const given = decodeBase64(text.replace(/^:(.*):$/, '$1'))
    found = (found ?? true) && given !== undefined && equalBytes(given, own)
  }
  return found
}
