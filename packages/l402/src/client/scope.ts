/**
 * The scope of a request: what single-flight, rejection and open payments go by (rules C5, C8, C9). Origin, method and
 * path, without the query: two processes that ask for the same thing are in one scope, HEAD counts as GET (rule S8).
 *
 * @example
 * scopeOf('GET', new URL('https://api.example.com/forecast?city=Bern')) // 'https://api.example.com GET /forecast'
 */
export function scopeOf(method: string, url: URL): string {
  return `${url.origin} ${method === 'HEAD' ? 'GET' : method} ${url.pathname}`
}

/** Name of the lock of a scope (rule C5). */
export function lockName(scope: string): string {
  return `scope ${scope}`
}

/** A host as limits and lists know it: punycode, without port, and without the dot at its end that makes it no other host. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/\.+$/, '')
}

/** A URL to show: without query, fragment and user, which may hold secrets (rule C10). */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname
}
