import { concatBytes, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'

/** Largest body of a request with an `Idempotency-Key`: its digest is needed before anything is done. */
export const DIGEST_BYTES = 1_048_576

/**
 * What a request asks for besides method and path: SHA-256 over query, a line feed and body; `null` for a body that is too
 * large. The request itself stays unread.
 */
export async function contentDigest(request: Request, query: string): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [encodeUtf8(`${query}\n`)]
  const reader = request.clone().body?.getReader()
  let length = 0
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    length += next.value.length
    if (length > DIGEST_BYTES) {
      void reader?.cancel().catch(() => {})
      return null
    }
    chunks.push(next.value)
  }
  return sha256(concatBytes(...chunks))
}
