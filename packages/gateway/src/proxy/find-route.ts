import { normaliseTarget, type RouteTable, type Target } from '@turnpike/l402/server'
import type { OwnProblem } from './answers.ts'
import type { ClientRequest } from './client-side.ts'
import type { RequestHead } from './request-head.ts'
import type { HostFinder, ProxyRoute } from './routing.ts'

/** A request's target in its one reading, and the route it matches. */
export interface FoundRoute {
  readonly path: string
  /** With its `?`. */
  readonly query: string
  /** `undefined`: none matches. For OPTIONS, the route of the method that a preflight asks for. */
  readonly route: ProxyRoute | undefined
  readonly routes: RouteTable<ProxyRoute>
}

/** Decides by `Host`, method and target which route a request is for, or what is wrong with it. */
export function findRoute(hosts: HostFinder, req: ClientRequest, head: RequestHead): FoundRoute | OwnProblem {
  const { method = '', url = '' } = req
  if (hosts.needsHost && head.host === '') {
    return { code: 'bad_request', detail: 'expected one Host line' }
  }
  const table = hosts.find(head.host)
  if (table === undefined) {
    return {
      code: 'unknown_host',
      detail: 'this gateway does not serve the host in the Host line',
    }
  }
  const { routes } = table
  // What `Connection` names does not go upstream, so it must not decide either.
  if (head.connectionNames !== undefined) {
    if ([...head.connectionNames].some((name) => routes.headerNames.has(name)))
      return { code: 'bad_request', detail: 'the Connection line names a header that routes depend on' }
  }
  const asked = method === 'OPTIONS' ? (req.headers['access-control-request-method'] ?? '') : method
  // A preflight carries none of the lines that it asks for.
  const lines = method === 'OPTIONS' ? undefined : req.rawHeaders
  const found = (target: Target): FoundRoute | OwnProblem => {
    const { path, query, authority } = target
    if (authority !== undefined && plainAuthority(authority) !== plainAuthority(head.host)) {
      return {
        code: 'bad_target',
        detail: 'the request target and the Host line name two hosts',
      }
    }
    return { path, query, route: routes.match(asked, path, lines)?.value, routes }
  }
  const target = normaliseTarget(url)
  if (target.ok) return found(target)
  if (table.takesEncodedSlash) {
    const lenient = normaliseTarget(url, { allowEncodedSlash: true })
    const taken = lenient.ok ? found(lenient) : undefined
    if (taken !== undefined && 'route' in taken && taken.route?.allowEncodedSlash === true) return taken
  }
  return { code: 'bad_target', detail: target.detail }
}

function plainAuthority(authority: string): string {
  return authority.replace(/:(?:80|443)$/, '')
}
