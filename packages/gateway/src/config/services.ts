/** `services`: each service and each route on its own, then the rules between them. */

import {
  type ConditionsOffer,
  type HeaderCondition,
  looksPriced,
  memoFault,
  routeCapability,
} from '@turnpike/l402/server'
import { readMints } from './compat.ts'
import type { RouteConfig, ServiceConfig } from './config.ts'
import { readCors } from './cors.ts'
import { checkDocuments, readOpenApi } from './discovery.ts'
import { describeFaults, pathName } from './faults.ts'
import { readForwarding } from './forwarding.ts'
import { checkHold } from './hold.ts'
import { readHosts } from './hosts.ts'
import type { ConfigIssue, Position } from './issue.ts'
import { checkPolicy, readAddressLists } from './limits.ts'
import { readMatch } from './match.ts'
import { describeHeaders, readMatchHeaders } from './match-headers.ts'
import { type Report, readRouteCharge, readRouteConditions } from './metered.ts'
import { pageOf } from './page.ts'
import { checkPriced, keepsBalances, readPrice } from './pricing.ts'
import { routeSchema, serviceSchema } from './schema.ts'
import { readUpstreamSide } from './upstream-side.ts'
import type { Path, YamlSource } from './yaml-source.ts'

/** How long an upstream may take to its first byte where nothing is said. */
const DEFAULT_TIMEOUT_SECONDS = 30

/** Where relative file names start, and where faults go. */
interface ServicesContext {
  readonly folder: string
  readonly issues: ConfigIssue[]
}

/** All services in the order written. Pushes everything that is wrong. */
export function readServices(source: YamlSource, context: ServicesContext): ServiceConfig[] {
  const { issues } = context
  const table = source.get(['services'])
  // What is not a table is the schema's to name.
  if (typeof table !== 'object' || table === null || Array.isArray(table)) return []
  const names = Object.keys(table)
  if (names.length === 0) {
    const message = 'services: an empty table, expected at least one service'
    issues.push({ position: source.locate(['services']), message })
  }
  const services = names.flatMap((name) => readService(source, name, context) ?? [])
  checkAcross(services, issues)
  checkPorts(services, issues)
  checkDocuments(services, issues)
  return services
}

function readService(
  source: YamlSource,
  name: string,
  { folder, issues }: ServicesContext,
): ServiceConfig | undefined {
  const path = ['services', name]
  const position = source.locateKey(path)
  // The name stands in caveats: `<name>_max_calls=…`, `services=<name>:<tier>,…`.
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name)) {
    const message = `services: ${JSON.stringify(name.slice(0, 80))} is not a service name, expected lower-case letters, digits, "-" and "_", at most 64`
    issues.push({ position, message })
  }
  const parsed = serviceSchema.safeParse(source.get(path))
  if (!parsed.success) issues.push(...describeFaults(source, path, parsed.error))
  const service = parsed.data
  const timeoutSeconds = service?.timeout ?? DEFAULT_TIMEOUT_SECONDS
  const list = source.get([...path, 'routes'])
  const hosts = readHosts(service?.hosts ?? [])
  const routes = (Array.isArray(list) ? list : []).flatMap(
    (_, index) =>
      readRoute(source, [...path, 'routes', index], {
        timeoutSeconds,
        bodyLimit: service?.bodyLimit,
        conditions: service?.conditions,
        ...(hosts.expression === undefined ? {} : { host: hosts.expression }),
        issues,
      }) ?? [],
  )
  checkCapabilities(routes, issues)
  nameRoutes(routes)
  if (service === undefined) return undefined
  const report: Report = (below, message) => {
    const at = [...path, ...below]
    // What is missing is said of the key that it is missing from.
    issues.push({
      position: below.length === 0 ? source.locate(path) : source.locate(at),
      message: `${pathName(at)}: ${message}`,
    })
  }
  if (hosts.expression !== undefined && hosts.names.length > 0)
    report(['hosts'], 'names and expressions, expected only one kind (a name is "~api[.]example[.]com" too)')
  const { freebie, rateLimits } = service
  checkPolicy({ freebie, rateLimits }, report)
  reportMemo(service.memo, report)
  const forwarding = readForwarding(service, { folder, report })
  const { stripPrefix } = forwarding
  if (stripPrefix !== '' && !routes.some((route) => startsBelow(route.match, stripPrefix))) {
    report(['rewrite', 'stripPrefix'], 'no route begins with it, expected what some "match" begins with')
  }
  return {
    name,
    ...forwarding,
    upstreamSide: readUpstreamSide({ ...service, upstreams: forwarding.upstreams }, { folder, report }),
    tier: service.tier ?? 0,
    hosts: hosts.names,
    memo: service.memo,
    unknownCaveats: service.unknownCaveats ?? 'skip',
    page: pageOf(service.page),
    timeoutMs: timeoutSeconds * 1000,
    forwardCredential: service.forwardCredential ?? false,
    mints: readMints(service.mints, {
      service: name,
      anyCapability: routes.every((route) => route.free || route.capability === ''),
      report,
    }),
    policy: { freebie, rateLimits },
    description: service.description,
    openapi: readOpenApi(service.openapi, { folder, report }),
    hidden: service.hidden ?? false,
    access: readAddressLists(service),
    cors: readCors(service.cors, report),
    routes,
    position,
  }
}

/** What a route has from its service, and where its faults go. */
interface RouteContext {
  readonly timeoutSeconds: number
  readonly bodyLimit: number | undefined
  readonly conditions: ConditionsOffer | undefined
  /** What the `Host` line must hold, where it is not named. */
  readonly host?: HeaderCondition
  readonly issues: ConfigIssue[]
}

function readRoute(
  source: YamlSource,
  path: Path,
  { timeoutSeconds, bodyLimit, conditions: ofService, host, issues }: RouteContext,
): RouteConfig | undefined {
  const before = issues.length
  const report = (below: Path, message: string): void => {
    issues.push({
      position: source.locate([...path, ...below]),
      message: `${pathName([...path, ...below])}: ${message}`,
    })
  }
  const match = source.get([...path, 'match'])
  if (typeof match === 'string' && match !== '') {
    const found = readMatch(match)
    if ('fault' in found) {
      const shown = source.isSubstituted([...path, 'match']) ? 'the variable holds no match' : found.fault
      report(['match'], shown)
    }
  }
  const parsed = routeSchema.safeParse(source.get(path))
  if (!parsed.success) {
    issues.push(...describeFaults(source, path, parsed.error))
    return undefined
  }
  const route = parsed.data
  const free = route.free ?? false
  if (free && route.price !== undefined)
    report(['price'], 'a free route with a price, expected one of the two')
  const { freebie, rateLimits, skipInvoice = false, shadow = false } = route
  checkPolicy({ freebie, rateLimits }, report)
  for (const key of ['freebie', 'skipInvoice'] as const) {
    if (free && route[key] !== undefined) report([key], `a free route asks for nothing, expected no "${key}"`)
  }
  if (!free && route.price === undefined && !skipInvoice)
    report([], 'neither a price nor free, expected "price: 10 sat" or "free: true"')
  for (const key of ['grants', 'charge', 'conditions', 'capability', 'anyCapability', 'memo'] as const) {
    if (free && route[key] !== undefined) report([key], `a free route sells nothing, expected no "${key}"`)
  }
  const price = readPrice(source, [...path, 'price'], issues)
  if (price.by !== undefined) checkPriced(price.by, route, report)
  const { calls, valid, credit } = route.grants ?? {}
  if (route.grants !== undefined && calls === undefined && valid === undefined && credit === undefined) {
    report(
      ['grants'],
      'buys nothing, expected { calls: 50 }, { valid: 1h }, { credit: 500 sat } or several of them (left out: one call)',
    )
  }
  checkHold(route, price.by !== undefined, report)
  const ofLines = readMatchHeaders(route.matchHeaders, report)
  const matchHeaders = host === undefined ? ofLines : [host, ...(ofLines ?? [])]
  const charge = readRouteCharge(route, report)
  const conditions = free ? undefined : readRouteConditions({ ...ofService, ...route.conditions }, report)
  if (
    route.capability !== undefined &&
    !/^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(route.capability)
  ) {
    report(['capability'], 'not a capability, expected up to 256 plain characters without spaces at the ends')
  } else if (route.capability?.includes(',')) {
    report(['capability'], 'a comma separates capabilities, expected a single one')
  } else if (route.capability !== undefined && looksPriced(route.capability)) {
    report(['capability'], 'not a capability, expected none with ";msat=" or ";of=" in it')
  }
  if (route.anyCapability === true && route.capability !== undefined)
    report(['anyCapability'], 'a route with a capability needs it, expected one of the two')
  reportMemo(route.memo, report)
  if (issues.length > before) return undefined
  const routeName = `${route.match}${describeHeaders(ofLines)}`
  return {
    match: route.match,
    matchHeaders,
    name: routeName,
    free,
    priceMsat: price.fixedMsat,
    price: price.by,
    grants: free
      ? {}
      : {
          // Left out is one call, or what the price server makes of it.
          ...(calls === undefined && valid === undefined && credit === undefined && !keepsBalances(price.by)
            ? { calls: 1 }
            : {}),
          ...(calls === undefined ? {} : { calls }),
          ...(valid === undefined ? {} : { validSeconds: valid }),
          ...(credit === undefined ? {} : { creditMsat: credit }),
        },
    charge,
    conditions,
    capability: route.anyCapability === true ? '' : (route.capability ?? routeCapability(routeName)),
    bodyLimit: route.bodyLimit ?? bodyLimit,
    timeoutMs: (route.timeout ?? timeoutSeconds) * 1000,
    policy: { freebie, rateLimits, skipInvoice, shadow },
    allowEncodedSlash: route.allowEncodedSlash ?? false,
    keepOverrideHeaders: route.keepOverrideHeaders ?? false,
    memo: route.memo,
    hold: route.hold ?? false,
    hidden: route.hidden ?? false,
    position: source.locate([...path, 'match']),
  }
}

function reportMemo(memo: string | undefined, report: Report): void {
  const fault = memo === undefined ? undefined : memoFault(memo)
  if (fault !== undefined) report(['memo'], fault)
}

/** Two routes that name no capability must not open each other by accident. */
function checkCapabilities(routes: readonly RouteConfig[], issues: ConfigIssue[]): void {
  const seen = new Map<string, RouteConfig>()
  for (const route of routes) {
    if (route.free || route.capability !== routeCapability(route.name)) continue
    const other = seen.get(route.capability)
    if (other !== undefined && !isSameRoute(other, route)) {
      const message = `the capability would be the one of line ${other.position.line}, expected an own "capability"`
      issues.push({ position: route.position, message })
    }
    seen.set(route.capability, route)
  }
}

/** The same match twice is told by {@link checkAcross}. */
function isSameRoute(a: RouteConfig, b: RouteConfig): boolean {
  const [one, other] = [readMatch(a.match, a.matchHeaders), readMatch(b.match, b.matchHeaders)]
  return 'key' in one && 'key' in other && one.key === other.key
}

/** Two routes of a service never have one name in logs and metrics. */
function nameRoutes(routes: RouteConfig[]): void {
  const counts = new Map<string, number>()
  for (const [index, route] of routes.entries()) {
    const count = (counts.get(route.name) ?? 0) + 1
    counts.set(route.name, count)
    if (count > 1) routes[index] = { ...route, name: `${route.name} #${count}` }
  }
}

/** Whether a route's paths may begin with `prefix`. */
function startsBelow(match: string, prefix: string): boolean {
  const path = match.slice(match.indexOf(' ') + 1)
  // Of an expression it is not known.
  if (path.startsWith('~')) return true
  const segments = path.split('/')
  for (const [index, wanted] of prefix.split('/').entries()) {
    const segment = segments[index]
    if (segment === '*' && index === segments.length - 1) return true
    if (segment !== '*' && segment !== wanted) return false
  }
  return true
}

/** The same match twice for one host can only be a mistake: the second would never be reached. */
function checkAcross(services: readonly ServiceConfig[], issues: ConfigIssue[]): void {
  const seen = new Map<string, Position>()
  for (const { hosts, routes } of services) {
    for (const route of routes) {
      const match = readMatch(route.match, route.matchHeaders)
      if ('fault' in match) continue
      const keys = (hosts.length === 0 ? ['*'] : hosts).map((host) => `${host} ${match.key}`)
      const first = keys.map((key) => seen.get(key)).find((position) => position !== undefined)
      if (first !== undefined) {
        const message = `"${route.name}" stands already at line ${first.line}, expected each match once`
        issues.push({ position: route.position, message })
      }
      for (const key of keys) seen.set(key, first ?? route.position)
    }
  }
}

/** A `Host` without a port stands for ports 80 and 443, so these two cannot belong to different services. */
function checkPorts(services: readonly ServiceConfig[], issues: ConfigIssue[]): void {
  const namesOf = (host: string): string =>
    services.flatMap(({ name, hosts }) => (hosts.includes(host) ? name : [])).join(', ')
  for (const { hosts, position } of services) {
    for (const host of hosts) {
      const other = host.endsWith(':443') ? `${host.slice(0, -3)}80` : undefined
      if (other === undefined || namesOf(other) === '' || namesOf(other) === namesOf(host)) continue
      const message = `hosts: ${host} and ${other} have different services, expected the same (a Host without a port is both)`
      issues.push({ position, message })
    }
  }
}
