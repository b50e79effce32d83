/** What is allowed and still most likely not meant. */

import { isIP } from 'node:net'
import { unreachableRoutes } from '@turnpike/l402/server'
import { BALANCE_PATH } from '../proxy/balance-path.ts'
import type { Config, ListenAddress, RouteConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import { routeSpec } from './match.ts'
import { unusableFiles } from './named-files.ts'

/** Warnings about a right configuration, in the order of the file. */
export function configWarnings(config: Config): ConfigIssue[] {
  const warnings: ConfigIssue[] = []
  for (const [route, earlier] of coveredRoutes(config)) {
    const { line } = earlier.position
    const message = `"${route.name}" is never reached: "${earlier.name}" (line ${line}) matches all of it first`
    warnings.push({ position: route.position, message })
  }
  for (const route of config.services.flatMap(({ routes }) => routes)) {
    if (!route.match.endsWith(BALANCE_PATH)) continue
    const message = `"${route.match}" is never reached: the gateway answers there what is left of a credential`
    warnings.push({ position: route.position, message })
  }
  for (const { name, routes, position } of config.services) {
    if (routes.every((route) => route.free)) {
      warnings.push({ position, message: `every route of "${name}" is free` })
    }
  }
  if (config.forwardAuth !== undefined)
    for (const route of config.services.flatMap(({ routes }) => routes)) {
      const message = askedWarning(route)
      if (message !== undefined) warnings.push({ position: route.position, message })
    }
  warnings.push(...unusableFiles(config.lightningFiles))
  warnings.sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column)
  if (!isLoopback(config.admin.listen)) {
    const { host } = config.admin.listen
    const message = `admin.listen: ${host} is open to other machines, and metrics need no token`
    warnings.push({ position: { line: 1, column: 1 }, message })
  }
  return warnings
}

/** What does not work where a proxy only asks about a request. */
function askedWarning({ name, charge, price }: RouteConfig): string | undefined {
  if (charge !== undefined)
    return `"${name}" costs its estimate behind forwardAuth: nobody shows the gateway the answer`
  if (price !== undefined && 'metered' in price && price.metered === true)
    return `"${name}" is refused behind forwardAuth: its price server needs the answers`
  if (price !== undefined && 'body' in price && price.body)
    return `"${name}" is refused behind forwardAuth for requests with a body: its price hangs on what nobody shows the gateway`
  return undefined
}

/** Routes that an earlier one covers on every host they are for. */
function coveredRoutes(config: Config): ReadonlyMap<RouteConfig, RouteConfig> {
  const covered = new Map<RouteConfig, RouteConfig>()
  const reached = new Set<RouteConfig>()
  for (const routes of routesByHost(config).values()) {
    const specs = routes.map((route) => routeSpec(route, route))
    const unreachable = new Map(unreachableRoutes(specs).map((found) => [found.index, found.coveredBy.index]))
    for (const [index, route] of routes.entries()) {
      const earlier = routes[unreachable.get(index) ?? -1]
      if (earlier === undefined) reached.add(route)
      else covered.set(route, earlier)
    }
  }
  for (const route of reached) covered.delete(route)
  return covered
}

/** The routes for each host in the order they match; `*` for services that name none. */
function routesByHost({ services }: Config): ReadonlyMap<string, RouteConfig[]> {
  const byHost = new Map<string, RouteConfig[]>()
  for (const { hosts, routes } of services) {
    for (const host of hosts.length === 0 ? ['*'] : hosts) {
      byHost.set(host, [...(byHost.get(host) ?? []), ...routes])
    }
  }
  return byHost
}

/** Whether only this machine can reach an address. */
function isLoopback({ host }: ListenAddress): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
