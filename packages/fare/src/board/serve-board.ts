/** The board's requests: loopback, one reader, nothing that changes anything. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PurseStore } from '@turnpike/l402/client'
import { figures } from './figures.ts'
import { boardPage } from './page.ts'

/** The handler, and the token that opens it once. */
export interface Board {
  readonly token: string
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/**
 * Makes the handler. `host` is the `HOST:PORT` that a request must name. The token of the URL is good once; it is
 * exchanged for a cookie, so that neither history nor a screenshot opens the page again.
 */
export function board(purse: PurseStore, host: () => string): Board {
  let token: string | undefined = randomBytes(24).toString('base64url')
  const session = randomBytes(24).toString('base64url')
  const cookie = 'fare-board'
  return {
    token,
    async handle(request, response) {
      const nonce = randomBytes(16).toString('base64')
      const headers = {
        'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
      }
      const end = (status: number, text: string, more: Record<string, string> = {}): void => {
        response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8', ...more })
        response.end(request.method === 'HEAD' ? undefined : text)
      }
      // A page elsewhere may know a name that leads to loopback, but cannot send this one.
      if (request.headers.host !== host()) return end(421, 'not this host\n')
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return end(405, 'read only\n', { allow: 'GET, HEAD' })
      const url = new URL(request.url ?? '/', `http://${host()}`)
      if (url.pathname !== '/') return end(404, 'nothing here\n')
      const given = url.searchParams.get('token')
      if (given !== null) {
        if (token === undefined || !same(given, token))
          return end(403, 'this address was used already, or is another one; start fare board again\n')
        token = undefined
        const set = `${cookie}=${session}; HttpOnly; SameSite=Strict; Path=/`
        return end(303, '', { location: '/', 'set-cookie': set })
      }
      const [, held = ''] = new RegExp(`(?:^|; )${cookie}=([^;]*)`).exec(request.headers.cookie ?? '') ?? []
      if (!same(held, session)) return end(403, 'open the address that fare board printed\n')
      try {
        const nowMs = Date.now()
        const page = boardPage(await figures(purse, nowMs), { nonce, nowMs })
        end(200, page, { 'content-type': 'text/html; charset=utf-8' })
      } catch {
        end(500, 'the purse cannot be read\n')
      }
    },
  }
}

function same(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
