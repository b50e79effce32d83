/** `/api/v1` of the admin listener: what an operator does to a running gateway. */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { decodeHex, isL402Error } from '@turnpike/l402'
import type { Ledger } from '../metrics/watched.ts'

/** What the API works on. */
export interface AdminApiOptions {
  readonly ledger: Pick<Ledger, 'revoke'>
  /** The bearer token; `undefined`: none is configured, and nothing is allowed. */
  readonly token: string | undefined
}

/** An answer of the API; `code` for problems. */
export type ApiAnswer =
  | { readonly status: number; readonly body: unknown }
  | { readonly status: number; readonly code: string; readonly detail: string; readonly authenticate?: true }

/** Answers requests under `/api/`. */
export interface AdminApi {
  /** Before the body is read: why the request is refused. */
  objection(request: IncomingMessage): ApiAnswer | undefined
  answer(method: string, path: string, body: string): Promise<ApiAnswer>
}

const HASH = /^[0-9a-f]{64}$/
const EXPECTED = 'expected {"tokenId": "<64 hex digits>"} or {"paymentHash": "<64 hex digits>"}'

/** See {@link AdminApi}. */
export function adminApi({ ledger, token }: AdminApiOptions): AdminApi {
  return {
    objection(request) {
      if (token === undefined) {
        const detail = 'no token is configured: set admin.tokenFile, and send its token as a bearer token'
        return { status: 403, code: 'no_token_configured', detail }
      }
      // A page that a browser on this machine shows cannot know the token, and must not try.
      if (request.headersDistinct['origin'] !== undefined)
        return { status: 403, code: 'refused', detail: 'the admin API is not for web pages' }
      if (!isBearer(request.headersDistinct['authorization'] ?? [], token)) {
        const detail = 'expected the token of admin.tokenFile as a bearer token'
        return { status: 401, code: 'unauthorized', detail, authenticate: true }
      }
      return undefined
    },
    async answer(method, path, body) {
      if (path !== '/api/v1/revocations')
        return { status: 404, code: 'not_found', detail: 'expected /api/v1/revocations' }
      if (method !== 'POST') return { status: 405, code: 'method_not_allowed', detail: 'expected POST' }
      const target = readTarget(body)
      if (target === undefined) return { status: 400, code: 'bad_request', detail: EXPECTED }
      const [name, hex] = target
      const key = decodeHex(hex) ?? new Uint8Array()
      try {
        await ledger.revoke(name === 'tokenId' ? { tokenId: key } : { paymentHash: key })
      } catch (error) {
        if (!isL402Error(error, 'store_unavailable')) throw error
        return { status: 503, code: 'store_unavailable', detail: 'the books cannot be written right now' }
      }
      return { status: 201, body: { revoked: { [name]: hex } } }
    },
  }

  function isBearer(lines: readonly string[], expected: string): boolean {
    const given = /^bearer ([\x21-\x7e]+)$/i.exec(lines.length === 1 ? (lines[0] ?? '') : '')?.[1]
    if (given === undefined) return false
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(given), digest(expected))
  }
}

type Target = readonly [name: 'tokenId' | 'paymentHash', hex: string]

function readTarget(body: string): Target | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value)
  const [name, id] = entries[0] ?? []
  if (entries.length !== 1 || typeof id !== 'string') return undefined
  const hex = id.toLowerCase()
  return (name === 'tokenId' || name === 'paymentHash') && HASH.test(hex) ? [name, hex] : undefined
}
