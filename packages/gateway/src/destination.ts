/** From a service's configuration to where the data plane sends its requests, and what it changes about them. */

import { type ServiceConfig, sampleUpstream } from './config/config.ts'
import type { HeaderLinesConfig } from './config/header-values.ts'
import { type HeaderEdits, headerEdits, type ProxyRoute, type UpstreamTarget } from './proxy/index.ts'

type Destination = Pick<
  ProxyRoute,
  'upstream' | 'group' | 'files' | 'stripPrefix' | 'requestEdits' | 'answerEdits'
>

/** What all routes of a service share. `sampleUrl`: where the sample API runs. */
export function destinationOf(service: ServiceConfig, sampleUrl: string | undefined): Destination {
  const { rewritePrefix, stripPrefix, staticFolder } = service
  const requestEdits = editsOf(service.requestHeaders)
  const answerEdits = editsOf(service.answerHeaders)
  const shared = {
    ...(stripPrefix === '' ? {} : { stripPrefix }),
    ...(requestEdits === undefined ? {} : { requestEdits }),
    ...(answerEdits === undefined ? {} : { answerEdits }),
  }
  if (staticFolder !== undefined)
    return { upstream: { origin: '', basePath: rewritePrefix }, files: staticFolder, ...shared }
  const targets = service.upstreams.map((url) => upstreamTarget(url, { sampleUrl, service }))
  const { name, balance, retries, health, eject } = service
  const [upstream] = targets
  if (upstream === undefined) throw new Error('a service without an upstream')
  // One upstream that nobody watches has the short way.
  if (targets.length === 1 && health === undefined && retries === 0) return { upstream, ...shared }
  const group = {
    service: name,
    targets,
    balance,
    retries,
    ...(health === undefined ? {} : { health }),
    ...(eject === undefined ? {} : { eject }),
  }
  return { upstream: { ...upstream, basePath: '' }, group, ...shared }
}

function upstreamTarget(
  url: string,
  {
    sampleUrl,
    service: { rewritePrefix, upstreamSide },
  }: { readonly sampleUrl: string | undefined; readonly service: ServiceConfig },
): UpstreamTarget {
  if (url === sampleUpstream && sampleUrl === undefined) throw new Error('the sample API does not run')
  const address = url === sampleUpstream ? (sampleUrl ?? '') : url
  // What `URL` knows no port and path of.
  const { origin, pathname } = new URL(address.replace(/^h2c:/, 'http:'))
  return {
    origin: address.startsWith('h2c:') ? origin.replace('http:', 'h2c:') : origin,
    basePath: `${pathname === '/' ? '' : pathname}${rewritePrefix}`,
    ...upstreamSide,
  }
}

function editsOf(lines: HeaderLinesConfig | undefined): HeaderEdits | undefined {
  return lines === undefined ? undefined : headerEdits(lines.set, lines.remove)
}
