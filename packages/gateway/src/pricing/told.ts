/** What a pricer over the network is told of a request, and what its price therefore depends on. */

import type { HeaderLines } from '@turnpike/l402'
import { type PriceRequest, requestScope } from '@turnpike/l402/server'

/** The header lines of these lower-case names: `[name, value]` each, as they came. */
export function toldHeaders(lines: HeaderLines, names: readonly string[]): [name: string, value: string][] {
  const told: [string, string][] = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (names.includes(name)) told.push([name, lines[i + 1] ?? ''])
  }
  return told
}

/** What a purchase opens: the same request again, or whatever has its method and path. */
export function toldScope(
  request: PriceRequest,
  { binds, headers }: { readonly binds: 'request' | 'path' | 'route'; readonly headers: readonly string[] },
): string {
  if (binds === 'path') return JSON.stringify([request.method, request.path])
  return requestScope(request, headers)
}
