/** Requests that must have one outcome however often they are sent: protocol §5 rule 10. */

import { concatBytes, decodeUtf8, encodeUtf8 } from '../core/bytes.ts'
import type { Summary } from '../core/clear.ts'
import { sha256 } from '../core/hash.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { Claim } from '../stores/ledger.ts'
import type { GateRequest, StoredAnswer } from './gate.ts'
import type { VerifiedCredential } from './verify.ts'

/** RFC 9110 §9.2.1: methods that change nothing need no key. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** A key, or one as a Structured Fields string (draft-ietf-httpapi-idempotency-key-header §2.1). */
const KEY = /^(?:"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x21-\x7e]{0,254}))$/
const SEPARATOR = new Uint8Array([0])

/** The key of an unsafe request; `undefined` where it has none or is safe, `null` for one that cannot be a key. */
export function idempotencyKey({ method, headers }: GateRequest): string | null | undefined {
  if (SAFE.has(method)) return undefined
  let found: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length !== 15 || name.toLowerCase() !== 'idempotency-key') continue
    if (found !== undefined) return null
    found = (headers[i + 1] ?? '').trim()
  }
  if (found === undefined) return undefined
  const parts = KEY.exec(found)
  return parts === null ? null : (parts[1] ?? parts[2] ?? null)
}

/**
 * What the ledger is asked. A key belongs to the budget it is charged to: two copies of one credential, or one with a
 * shorter time, share it; a sub-agent with a budget of its own does not see what another one's requests came to.
 */
export function claimOf(
  key: string,
  request: GateRequest,
  payer: { readonly verified: VerifiedCredential; readonly summary: Summary; readonly untilMs: number },
): Claim | undefined {
  const { contentDigest, method, path, route } = request
  if (contentDigest === undefined) return undefined
  const { verified, summary, untilMs } = payer
  const budget = summary.counters.at(-1)?.key ?? verified.identifier.tokenId
  return {
    key: hashOf('turnpike idempotency key', budget, route.service, key),
    // HEAD uses what a GET would (rule S8).
    digest: hashOf('turnpike idempotent request', contentDigest, method === 'HEAD' ? 'GET' : method, path),
    untilMs,
  }
}

/** SHA-256 over a purpose, 32 bytes and texts that hold no NUL. */
function hashOf(purpose: string, fixed: Uint8Array, ...texts: readonly string[]): Uint8Array {
  const parts = [encodeUtf8(purpose), SEPARATOR, fixed]
  for (const text of texts) parts.push(encodeUtf8(text), SEPARATOR)
  return sha256(concatBytes(...parts))
}

/** What the ledger keeps of a request whose answer was lost with the process that served it. */
export const LOST_ANSWER: Uint8Array = new Uint8Array([0])

/** What the ledger keeps of an answer; `null`: it was too large. */
export function encodeAnswer(answer: StoredAnswer | null): Uint8Array {
  if (answer === null) return new Uint8Array(0)
  const { status, headers, body } = answer
  const head = encodeUtf8(JSON.stringify({ status, headers }))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, head.length)
  return concatBytes(length, head, body)
}

/** The other way round. `unkept`: it was too large; `lost`: see {@link LOST_ANSWER}. */
export function decodeAnswer(bytes: Uint8Array): StoredAnswer | 'unkept' | 'lost' {
  if (bytes.length <= LOST_ANSWER.length) return bytes.length === 0 ? 'unkept' : 'lost'
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  const text = decodeUtf8(bytes.subarray(4, 4 + length)) ?? ''
  const { status, headers } = JSON.parse(text) as { status: number; headers: HeaderLines }
  return { status, headers: [...headers, 'Idempotency-Replayed', 'true'], body: bytes.subarray(4 + length) }
}
