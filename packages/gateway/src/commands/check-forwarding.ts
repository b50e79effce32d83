/** Where requests go and what is changed about them, as `turnpike check` says it. */

import { type RouteConfig, type ServiceConfig, sampleUpstream } from '../config/config.ts'
import type { HeaderLinesConfig } from '../config/header-values.ts'

/** The parts of a service's line. No value of a header line is among them. */
export function describeForwarding(service: ServiceConfig): string[] {
  const { upstreams, staticFolder, balance, health, retries, eject } = service
  const parts =
    staticFolder === undefined
      ? [upstreams.map((url) => (url === sampleUpstream ? 'the built-in sample API' : url)).join(', ')]
      : [`files of ${staticFolder}`]
  if (upstreams.length > 1) parts.push(balance)
  if (retries > 0) parts.push(`${retries} ${retries === 1 ? 'retry' : 'retries'} where nothing was sent`)
  if (health !== undefined) parts.push(`asked for ${health.path} every ${health.intervalMs / 1000}s`)
  if (eject !== undefined) parts.push(`left out for ${eject.forMs / 1000}s after ${eject.failures} failures`)
  if (service.stripPrefix !== '') parts.push(`without ${service.stripPrefix}`)
  if (service.rewritePrefix !== '') parts.push(`below ${service.rewritePrefix}`)
  parts.push(...describeEdits('requests', service.requestHeaders))
  parts.push(...describeEdits('answers', service.answerHeaders))
  return parts
}

function describeEdits(where: string, lines: HeaderLinesConfig | undefined): string[] {
  if (lines === undefined) return []
  const { set, remove } = lines
  return [
    ...(set.length === 0 ? [] : [`${where} get ${set.map(([name]) => name).join(', ')}`]),
    ...(remove.length === 0 ? [] : [`${where} lose ${remove.join(', ')}`]),
  ]
}

/** `POST /chat [x-model: "large", x-beta]`: a person who checks a file may see what stands in it. */
export function describeMatch({ match, matchHeaders }: RouteConfig): string {
  if (matchHeaders === undefined) return match
  const conditions = matchHeaders.map(({ name, is, source }) => {
    if (is !== undefined) return `${name}: ${JSON.stringify(is)}`
    return source === undefined ? name : `${name}: ~${source}`
  })
  return `${match} [${conditions.join(', ')}]`
}

/** `1048576` → `1 MiB`. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (bytes > 0 && bytes % size === 0) return `${bytes / size} ${unit}`
  }
  return `${bytes} B`
}
