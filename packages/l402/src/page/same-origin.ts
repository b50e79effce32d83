/** Which requests take a credential from a cookie: those that the page's own origin, or its reader, meant to send. */

import { headerValue } from '../server/clear-request.ts'
import type { GateRequest } from '../server/gate.ts'

/**
 * Browsers add cookies to requests that other sites have started. A use costs money, and an unsafe method does something:
 *
 * - the server's own pages, and what the reader typed or bookmarked, take the cookie;
 * - a link on another site does (GET of a document that the reader clicked), its images, frames and scripts do not;
 * - an unsafe method does where the request says that it comes from this origin, and only there.
 */
export function takesCookies({
  method,
  headers,
  base,
}: Pick<GateRequest, 'method' | 'headers' | 'base'>): boolean {
  const site = headerValue(headers, 'sec-fetch-site')
  const origin = headerValue(headers, 'origin')
  if (method !== 'GET' && method !== 'HEAD') {
    if (origin !== undefined && origin !== base) return false
    return site === undefined ? origin !== undefined : site === 'same-origin'
  }
  // Browsers say where a WebSocket was opened from, if nothing else.
  if (site === undefined) return origin === undefined || origin === base
  if (site === 'same-origin' || site === 'none') return true
  return (
    headerValue(headers, 'sec-fetch-mode') === 'navigate' &&
    headerValue(headers, 'sec-fetch-dest') === 'document' &&
    headerValue(headers, 'sec-fetch-user') === '?1'
  )
}
