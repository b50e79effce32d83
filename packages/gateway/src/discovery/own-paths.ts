/** Where the operations of an upstream's own document are: the document's paths are below those of its servers. */

import { isTable } from './own-parts.ts'

/** Servers of one operation that are looked at. */
const MOST_SERVERS = 16

/** Longest address, and longest path: no request line holds more. */
const MOST_LENGTH = 8192

/** Each is asked for with every operation of a document. */
const serverPaths = new WeakMap<object, string>()

/**
 * The paths that an operation has by its document, in the order of its servers. Those of the operation go before those of its
 * path item, and these before the document's (OpenAPI 3.1 §4.8); where none are named the path stands as it is.
 */
export function documentPaths(path: string, levels: readonly unknown[]): readonly string[] {
  if (!path.startsWith('/')) return []
  const servers = levels.find((level) => Array.isArray(level) && level.length > 0)
  const below = Array.isArray(servers) ? servers.slice(0, MOST_SERVERS).map(serverPath) : ['']
  return [...new Set(below)].map((base) => base + path).filter(({ length }) => length <= MOST_LENGTH)
}

/** What the gateway changes about a path on its way to the upstream. Without a slash at the end, empty for none. */
export interface Rewriting {
  /** Put before it, after `stripPrefix` is cut off it. */
  readonly basePath: string
  readonly stripPrefix: string
}

/**
 * The paths at the gateway that one of a document may stand for, the likeliest first. A document speaks of the upstream's
 * paths, or already of the gateway's: those begin with what is cut off, or do not begin with what is put before.
 */
export function gatewayPaths(path: string, { basePath, stripPrefix }: Rewriting): readonly string[] {
  const isUpstreams = basePath !== '' && path.startsWith(`${basePath}/`)
  const inner = isUpstreams ? path.slice(basePath.length) : path
  if (stripPrefix === '') return [inner]
  const hasPrefix = inner === stripPrefix || inner.startsWith(`${stripPrefix}/`)
  if (hasPrefix) return [isUpstreams ? stripPrefix + inner : inner]
  // Of a path without it nothing is cut off: a route beside the prefix may take it.
  return [stripPrefix + inner, inner]
}

/** The path of a server's address, without a slash at its end. What is no address has none. */
function serverPath(server: unknown): string {
  if (!isTable(server)) return ''
  const path = serverPaths.get(server) ?? readServerPath(server)
  serverPaths.set(server, path)
  return path
}

function readServerPath(server: Record<string, unknown>): string {
  if (typeof server['url'] !== 'string' || server['url'].length > MOST_LENGTH) return ''
  const variables = isTable(server['variables']) ? server['variables'] : {}
  const url = server['url'].replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
    return isTable(variable) && typeof variable['default'] === 'string' ? variable['default'] : whole
  })
  return pathOf(url)
}

/**
 * The path of an address, without slashes at its end; empty for what is no address. Relative ones are to where the document
 * stands, which nobody knows: taken as if that were the root.
 */
export function pathOf(url: string): string {
  const base = 'http://upstream.invalid/'
  if (!URL.canParse(url, base)) return ''
  const { pathname } = new URL(url, base)
  let end = pathname.length
  while (pathname[end - 1] === '/') end--
  return pathname.slice(0, end)
}
