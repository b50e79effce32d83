import { concatBytes, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { GateRequest } from './gate.ts'
import { boundedBytes } from './metering/bounded-bytes.ts'

/** Largest body, in bytes, whose digest is needed before anything is done: of a request with an `Idempotency-Key`, for example. */
export const DIGEST_BYTES = 1_048_576

/**
 * What a request asks for besides method and path, for `GateRequest.contentDigest`: SHA-256 over query (with its `?`, empty
 * without one), a line feed and body; 32 bytes.
 */
export function digestContent(query: string, body: Uint8Array): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`${query}\n`), body))
}

/** Both digests of a body that a gate may want; see `GateRequest`. */
export function digestsOf(query: string, body: Uint8Array): Digests {
  return { contentDigest: digestContent(query, body), bodyDigest: sha256(body) }
}

/** See {@link digestsOf}. */
export type Digests = Required<Pick<GateRequest, 'contentDigest' | 'bodyDigest'>>

/** {@link digestsOf} a `Request`, which itself stays unread; `null` for a body that is too large. */
export async function contentDigests(request: Request, query: string): Promise<Digests | null> {
  const gathered = boundedBytes(DIGEST_BYTES)
  const reader = request.clone().body?.getReader()
  let length = 0
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    gathered.push(next.value)
    length += next.value.length
    if (length > DIGEST_BYTES) {
      void reader?.cancel().catch(() => {})
      return null
    }
  }
  return digestsOf(query, gathered.take() ?? new Uint8Array(0))
}
