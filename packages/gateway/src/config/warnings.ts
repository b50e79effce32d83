/** What is allowed and still most likely not meant. */

import { isIP } from 'node:net'
import type { Config, ListenAddress } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import { type MatchPattern, readMatch, shadows } from './match.ts'

/** Warnings about a right configuration, in the order of the file. */
export function configWarnings(config: Config): ConfigIssue[] {
  const warnings: ConfigIssue[] = []
  const earlier: { hosts: readonly string[]; pattern: MatchPattern; match: string; line: number; service: string }[] = []
  for (const service of config.services) {
    for (const route of service.routes) {
      const pattern = readMatch(route.match)
      if (typeof pattern === 'string') continue
      const before = earlier.find(
        (other) =>
          (other.hosts.length === 0 ? service.hosts.length === 0 : service.hosts.length > 0) &&
          service.hosts.every((host) => other.hosts.includes(host)) &&
          shadows(other.pattern, pattern),
      )
      if (before !== undefined) {
        const message = `"${route.match}" is never reached: "${before.match}" (line ${before.line}) matches all of it first`
        warnings.push({ position: route.position, message })
      }
      const { line } = route.position
      earlier.push({ hosts: service.hosts, pattern, match: route.match, line, service: service.name })
    }
    if (service.routes.every((route) => route.free)) {
      warnings.push({ position: service.position, message: `every route of "${service.name}" is free` })
    }
  }
  if (!isLoopback(config.admin.listen)) {
    const message = `admin.listen: ${config.admin.listen.host} can be reached from other machines; metrics are not protected there`
    warnings.push({ position: { line: 1, column: 1 }, message })
  }
  return warnings
}

/** Whether only this machine can reach an address. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
