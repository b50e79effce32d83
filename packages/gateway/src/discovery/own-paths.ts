/** Where the operations of an upstream's own document are at the gateway: the document's paths are below those of its servers. */

import { isTable } from './own-parts.ts'

/** Servers of one operation that are looked at. */
const MOST_SERVERS = 16

/**
 * The paths that an operation may have at the gateway, in the order of its servers. Those of the operation go before those of
 * its path item, and these before the document's (OpenAPI 3.1 §4.8); where none are named the path stands as it is.
 * `basePath` is what the gateway puts before its own paths on their way to the upstream: without a slash at its end, empty for
 * none.
 */
export function gatewayPaths(
  path: string,
  levels: readonly unknown[],
  { basePath }: { readonly basePath: string },
): readonly string[] {
  const servers = levels.find((level) => Array.isArray(level) && level.length > 0)
  if (!Array.isArray(servers)) return [path]
  const paths = servers.slice(0, MOST_SERVERS).map((server) => {
    const below = serverPath(server)
    return below === '' ? path : withoutBase(below + path, basePath)
  })
  return [...new Set(paths)]
}

/** The path of a server's address, without a slash at its end. What is no address has none. */
function serverPath(server: unknown): string {
  if (!isTable(server) || typeof server['url'] !== 'string') return ''
  const variables = isTable(server['variables']) ? server['variables'] : {}
  const url = server['url'].replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
    return isTable(variable) && typeof variable['default'] === 'string' ? variable['default'] : whole
  })
  // Relative ones are to where the document stands, which nobody knows: taken as if that were the root.
  const base = 'http://upstream.invalid/'
  return URL.canParse(url, base) ? new URL(url, base).pathname.replace(/\/+$/, '') : ''
}

function withoutBase(path: string, basePath: string): string {
  return basePath !== '' && path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : path
}
