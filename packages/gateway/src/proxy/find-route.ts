import { normaliseTarget, type RouteTable, type Target } from '@turnpike/l402/server'
import type { Documents } from '../discovery/documents.ts'
import type { OwnProblem } from './answers.ts'
import type { ClientRequest } from './client-side.ts'
import { BAD_EXPECTATION, methodNotAllowed, NO_WEBSOCKET } from './own-problems.ts'
import type { RequestHead } from './request-head.ts'
import type { HostFinder, ProxyRoute } from './routing.ts'
import { speaksH2 } from './upstream-pools.ts'

/** A request's target in its one reading, and the route it matches. */
export interface FoundRoute {
  readonly path: string
  /** With its `?`. */
  readonly query: string
  /** `undefined`: none matches. For OPTIONS, the route of the method that a preflight asks for. */
  readonly route: ProxyRoute | undefined
  readonly routes: RouteTable<ProxyRoute>
  /** The documents that tell what is sold on the host. */
  readonly documents: Documents | undefined
}

/** Decides by method, `Expect`, `Host` and target which route a request is for, or what is wrong with it. */
export function findTarget(
  hosts: HostFinder,
  req: ClientRequest,
  head: RequestHead,
): FoundRoute | OwnProblem {
  const { method = '' } = req
  if (method === 'TRACE' || method === 'CONNECT') return methodNotAllowed(method)
  if (head.expect !== undefined && head.expect !== '100-continue') return BAD_EXPECTATION
  return findRoute(hosts, req, head)
}

function findRoute(hosts: HostFinder, req: ClientRequest, head: RequestHead): FoundRoute | OwnProblem {
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
  const { routes, documents } = table
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
    return { path, query, route: routes.match(asked, path, lines)?.value, routes, documents }
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

/** What stands in the way of a request to change the protocol. */
export function upgradeProblem(
  head: Pick<RequestHead, 'hasBody' | 'upgrade'>,
  { upstream, group }: Pick<ProxyRoute, 'upstream' | 'group'>,
): OwnProblem | undefined {
  // Where a body ends and the other protocol begins is not for two readers to agree on.
  if (head.hasBody) return { code: 'bad_request', detail: 'expected no body with an upgrade' }
  const overH2 = (group?.targets ?? [upstream]).some(speaksH2)
  return head.upgrade === 'websocket' && overH2 ? NO_WEBSOCKET : undefined
}
