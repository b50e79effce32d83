/** What Next's adapters know about its requests. */

import { isAuthority } from '../../server/target.ts'

/**
 * Scheme and authority that a client of Next asked for: in `request.url` is the address that Next listens at, whatever the
 * `Host` line says. `null` where that line is missing, or is no authority: it must not be taken for this machine (protocol §6).
 */
export function nextBase({ url, headers }: Pick<Request, 'url' | 'headers'>): string | null {
  const host = headers.get('host')?.toLowerCase() ?? ''
  return isAuthority(host) ? `${url.slice(0, url.indexOf(':'))}://${host}` : null
}

/** What Next has taken off the path of this request: nothing on its edge runtime, where the path is whole. */
export function hiddenBasePath(
  request: Request & { readonly nextUrl?: { readonly basePath?: string } },
  { basePath = '' }: { readonly basePath?: string },
): string {
  return basePath === '' || request.nextUrl?.basePath === basePath ? '' : basePath
}
