/** Proof of possession (RFC 9449) through `jose`: who holds the key that a credential is bound to. */

import { calculateJwkThumbprint, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose'
import { encodeBase64Url, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { Proof, ProofVerifier } from '../server/dpop.ts'
import { normaliseTarget } from '../server/target.ts'

/** How old a proof may be. */
export interface DpopOptions {
  /** Seconds since it was made; 120 if left out. */
  readonly maxAgeSeconds?: number
  /** Seconds a client's clock may be ahead; 30 if left out. */
  readonly maxSkewSeconds?: number
}

type Refused = { readonly ok: false; readonly detail: string }

/** Asymmetric ones alone (RFC 9449 §4.3 number 5). */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'PS512', 'RS256']
const MAX_PROOF = 8192
const MAX_ID = 256
/** A clock that is set back by an hour, or two, must not let a proof through again. */
const KEPT_MS = 2 * 3_600_000

/**
 * Checks the `DPoP` line of a request as RFC 9449 §4.3 says: one line, a signature by the key it names, this method, this
 * URL, made just now, for this credential. That it is used once is the gate's to see to. Needs the package `jose`.
 *
 * @example
 * const dpop = dpopVerifier({ maxAgeSeconds: 60 })
 *
 * @throws RangeError for options out of range.
 */
export function dpopVerifier(options: DpopOptions = {}): ProofVerifier {
  const { maxAgeSeconds = 120, maxSkewSeconds = 30 } = options
  for (const [name, value] of Object.entries({ maxAgeSeconds, maxSkewSeconds }))
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`invalid ${name}: expected whole seconds from 0, got ${value}`)

  return async (request) => {
    const line = proofLine(request.headers)
    if (line === undefined) return refused('one DPoP line of at most 8 KiB')
    const read = await verified(line)
    if (read === undefined)
      return refused('a signed JWT of type dpop+jwt with its public key, in an asymmetric algorithm')
    const { payload, thumbprint } = read
    if (payload['htm'] !== request.method) return refused('htm to be the method of the request')
    if (!isSameUrl(payload['htu'], request.url)) return refused('htu to be the URL of the request')
    const { iat, jti } = payload
    const nowSeconds = request.nowMs / 1000
    if (typeof iat !== 'number' || iat < nowSeconds - maxAgeSeconds || iat > nowSeconds + maxSkewSeconds)
      return refused(`iat within the last ${maxAgeSeconds} seconds`)
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID)
      return refused(`jti to have 1 to ${MAX_ID} characters`)
    if (request.tokens.length > 0 && !request.tokens.some((token) => hashOf(token) === payload['ath']))
      return refused('ath to be the hash of the credential in the request')
    const untilMs = Math.ceil((iat + maxAgeSeconds) * 1000) + KEPT_MS
    // A thumbprint has no space in it, so no two pairs are one text.
    return { ok: true, thumbprint, mark: sha256(encodeUtf8(`${thumbprint} ${jti}`)), untilMs } satisfies Proof
  }
}

function refused(expected: string): Refused {
  return { ok: false, detail: `The proof of possession does not hold: expected ${expected}.` }
}

/** The one `DPoP` line; two, or two values in one, are none. */
function proofLine(headers: HeaderLines): string | undefined {
  let found: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() !== 'dpop') continue
    if (found !== undefined) return undefined
    found = (headers[i + 1] ?? '').trim()
  }
  if (found === undefined || found.length > MAX_PROOF) return undefined
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(found) ? found : undefined
}

interface Verified {
  readonly payload: JWTPayload
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string
}

async function verified(proof: string): Promise<Verified | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ALGORITHMS,
      // `iat` and the like are looked at here; `exp` and `nbf` mean nothing in a proof.
      currentDate: new Date(0),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    })
    const { jwk } = protectedHeader
    if (jwk === undefined || 'd' in jwk || 'k' in jwk) return undefined
    return { payload, thumbprint: await calculateJwkThumbprint(jwk, 'sha256') }
  } catch {
    // Whatever a client sends can be no proof; what was wrong with it is the client's to know.
    return undefined
  }
}

/** RFC 9449 §4.3 number 9: without query and fragment, both normalised as this server reads targets. */
function isSameUrl(stated: unknown, actual: string): boolean {
  if (typeof stated !== 'string') return false
  const [a, b] = [normalised(stated), normalised(actual)]
  return a !== undefined && a === b
}

const HTTP_URL = /^(https?:\/\/[^/?#]+)([^?#]*)/i

function normalised(url: string): string | undefined {
  const [, origin = '', path = ''] = HTTP_URL.exec(url) ?? []
  const parsed = URL.canParse(origin) ? new URL(origin) : undefined
  const target = normaliseTarget(path === '' ? '/' : path, { allowEncodedSlash: true })
  return parsed === undefined || parsed.username !== '' || !target.ok
    ? undefined
    : parsed.origin + target.path
}

/** RFC 9449 §4.2: base64url of SHA-256 over the ASCII text. */
function hashOf(token: string): string {
  return encodeBase64Url(sha256(encodeUtf8(token)))
}
