import type { RequestCondition } from './condition.ts'

/** Base64url of 32 bytes, without padding; the four values of the last digit's unused bits are one. */
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * `dpop_jkt=<thumbprint>`: usable only with proof of possession of the key with this JWK SHA-256 thumbprint
 * (RFC 7638; RFC 9449 §6). What is presented is the thumbprint of the key that signed the request's verified proof.
 */
export const dpopJkt: RequestCondition<string> = {
  expected: 'a JWK SHA-256 thumbprint: 43 base64url digits',
  denied: 'The credential belongs to the holder of another key.',
  parse: (value) => (THUMBPRINT.test(value) ? value : undefined),
  narrows: (later, earlier) => later === earlier,
  admits: (thumbprint, presented) => thumbprint === presented,
}
