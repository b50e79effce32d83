import type { CorsPolicy, RouteTable, RouteTerms } from '@turnpike/l402/server'
import type { Documents } from '../discovery/documents.ts'
import type { HeaderEdits } from './header-edits.ts'
import type { UpstreamGroup } from './upstream-group.ts'

/** How the certificate of an upstream is checked, and which one is shown to it. PEM texts. */
export interface UpstreamTls {
  /** Tells two of them apart for one origin: the same id, the same content. */
  readonly id: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** Asked for (SNI) and checked instead of the origin's host. */
  readonly serverName?: string
  /** Takes any certificate. For development. */
  readonly insecure?: boolean
}

/** Where a request goes that may pass. */
export interface UpstreamTarget {
  /** `http://127.0.0.1:9000`, `https://…` or `h2c://…` (HTTP/2 without TLS), without a path. */
  readonly origin: string
  /** Of `https`: which version it speaks. @default 'h1' */
  readonly protocol?: 'h1' | 'h2'
  /** Of `https`: whom to trust, and who we are. */
  readonly tls?: UpstreamTls
  /** Put before every path; starts with `/` and does not end with one, or is empty. */
  readonly basePath: string
}

/** What the gateway does with the requests of one route. */
export interface ProxyRoute {
  readonly terms: RouteTerms
  /** With a `group` or `files`, only its `basePath` counts. */
  readonly upstream: UpstreamTarget
  /** Several upstreams, or one that is watched. */
  readonly group?: UpstreamGroup
  /** An absolute folder that is served in place of an upstream. */
  readonly files?: string
  /** Cut off the front of the path before it goes upstream; starts with `/` and does not end with one. */
  readonly stripPrefix?: string
  readonly requestEdits?: HeaderEdits
  readonly answerEdits?: HeaderEdits
  /** Most bytes of a request's body; left out: any number. */
  readonly bodyLimit?: number
  /** How long the upstream may take to its first byte. */
  readonly timeoutMs: number
  /** Lets credential lines through to the upstream. */
  readonly forwardCredential: boolean
  /** Takes paths with `%2F` in them; refused elsewhere. */
  readonly allowEncodedSlash: boolean
  /** Lets method and URL override headers through to the upstream. */
  readonly keepOverrideHeaders: boolean
  /** Which pages may read answers; as browsers need it to pay if left out, nothing for `null`. */
  readonly cors?: CorsPolicy | null
}

/** The routes of some hosts. */
export interface HostTable {
  /**
   * Names these routes are for. `api.example.com` is meant on any port, `api.example.com:8443` on that port only; a
   * `Host` without a port stands for ports 80 and 443. Left out: every host that no other table names.
   */
  readonly hosts?: readonly string[]
  readonly routes: RouteTable<ProxyRoute>
  /** The documents that tell what is sold there. */
  readonly documents?: Documents
}

/** All tables of a gateway; each host belongs to one of them. */
export type Routing = readonly HostTable[]

/** The routes of a host, with what is asked of them for every request. */
interface HostRoutes {
  readonly routes: RouteTable<ProxyRoute>
  readonly documents: Documents | undefined
  /** Whether some route takes `%2F`. */
  readonly takesEncodedSlash: boolean
}

/** Finds the routes of a host. */
export interface HostFinder {
  /** Whether some table names hosts, so that a request must name one. */
  readonly needsHost: boolean
  /** `authority`: the `Host` of a request in lower case; empty without one. */
  find(authority: string): HostRoutes | undefined
  /** Of all routes. */
  readonly upstreams: readonly UpstreamTarget[]
  readonly groups: ReadonlySet<UpstreamGroup>
}

/**
 * Compiles tables for looking them up by host.
 *
 * @throws TypeError for a host that two tables claim, and for two tables without hosts.
 */
export function compileRouting(routing: Routing): HostFinder {
  const exact = new Map<string, HostRoutes>()
  const anyPort = new Map<string, HostRoutes>()
  let rest: HostRoutes | undefined
  const claim = (names: Map<string, HostRoutes>, name: string, table: HostRoutes): void => {
    const other = names.get(name)
    if (other !== undefined && other !== table) throw new TypeError(`the host ${name} is in two route tables`)
    names.set(name, table)
  }
  for (const { hosts, routes, documents } of routing) {
    const table = {
      routes,
      documents,
      takesEncodedSlash: routes.routes.some(({ value }) => value.allowEncodedSlash),
    }
    if (hosts === undefined) {
      if (rest !== undefined) throw new TypeError('two route tables name no hosts')
      rest = table
      continue
    }
    for (const host of hosts) {
      const authority = host.toLowerCase()
      const { name, port } = splitPort(authority)
      claim(port === '' ? anyPort : exact, authority, table)
      if (port === '80' || port === '443') claim(exact, name, table)
    }
  }
  const all = routing.flatMap(({ routes }) => routes.routes.map(({ value }) => value))
  const needsHost = exact.size + anyPort.size > 0
  return {
    needsHost,
    find(authority) {
      if (!needsHost) return rest
      return exact.get(authority) ?? anyPort.get(splitPort(authority).name) ?? rest
    },
    upstreams: all.flatMap(targetsOf),
    groups: new Set(all.flatMap(({ group }) => group ?? [])),
  }
}

function targetsOf({ upstream, group, files }: ProxyRoute): readonly UpstreamTarget[] {
  if (files !== undefined) return []
  return group === undefined ? [upstream] : group.targets
}

function splitPort(authority: string): { name: string; port: string } {
  const colon = authority.indexOf(':', authority.indexOf(']') + 1)
  if (colon < 0) return { name: authority, port: '' }
  return { name: authority.slice(0, colon), port: authority.slice(colon + 1) }
}
