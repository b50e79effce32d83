/** The documents of a configuration. */

import type { Network } from '@turnpike/l402/lightning'
import { carriesPayment, compileRoutes, normaliseTarget } from '@turnpike/l402/server'
import type { Config, ServiceConfig } from '../config/config.ts'
import { routeSpec } from '../config/match.ts'
import { createDocuments, type Documents } from './documents.ts'
import { isListed, type ListedService, listServices } from './listing.ts'
import type { OwnDocument, Place } from './own-operations.ts'
import { gatewayPaths, pathOf } from './own-paths.ts'

/** The documents about services that share their hosts; `undefined` where there are none. */
export function documentsOf(
  { discovery, paymentScheme, sessions }: Pick<Config, 'discovery' | 'paymentScheme' | 'sessions'>,
  services: readonly ServiceConfig[],
  network: Network | undefined,
): Documents | undefined {
  if (discovery === undefined) return undefined
  const listed = listServices(services, sessions)
  return createDocuments({
    services: listed,
    titles: discovery,
    payment: (base) => paymentScheme !== 'off' && network !== undefined && carriesPayment({ network, base }),
    own: ownOf(services, listed),
  })
}

function ownOf(
  services: readonly ServiceConfig[],
  listed: readonly ListedService[],
): OwnDocument | undefined {
  const owner = services.find(({ openapi, hidden }) => openapi !== undefined && !hidden)
  // Of a service that lists nothing not even the title is told.
  if (owner?.openapi === undefined || !listed.some(({ name }) => name === owner.name)) return undefined
  const { openapi: document, upstreams, rewritePrefix, stripPrefix } = owner
  // As requests are matched: a hidden route that comes first hides what a later one would sell.
  const table = compileRoutes(
    services.flatMap((service) => {
      // In the order written, without the hidden ones: two may have one "match", and differ in header lines.
      const sold = listed.find(({ name }) => name === service.name)?.routes.values()
      return service.routes.map((route) =>
        routeSpec(route, (isListed(route) ? sold?.next().value : undefined) ?? ('hidden' as const)),
      )
    }),
  )
  const samples = samplesBeside(services.flatMap((service) => service.routes.map(({ match }) => match)))
  const [upstream = ''] = upstreams
  // The sample and files have no address.
  const upstreamPath = URL.canParse(upstream) ? pathOf(upstream) : ''
  const rewriting = { basePath: upstreamPath + rewritePrefix, stripPrefix }

  const routeOf = (method: string, path: string): Place['route'] | undefined => {
    const found = samples.map((sample) => {
      const text = samplePath(path, sample)
      const target = normaliseTarget(text)
      // What is read as another path than it says, such as one with dot segments, is nowhere.
      return target.ok && target.path === text ? table.match(method, target.path)?.value : undefined
    })
    return found.includes('hidden') ? 'hidden' : found.find((route) => route !== undefined)
  }
  return {
    document,
    placeOf: (method, path) => {
      for (const at of gatewayPaths(path, rewriting)) {
        const route = routeOf(method, at)
        if (route !== undefined) return { path: at, route }
      }
      return undefined
    },
  }
}

/** What may stand where a template has a name: a word and a number, that no route names itself. */
function samplesBeside(matches: readonly string[]): readonly string[] {
  return ['x', '7'].map((letter) => {
    let sample = letter
    while (matches.some((match) => match.includes(sample))) sample += letter
    return sample
  })
}

/** A path that the template stands for: `/users/{id}` as `/users/x`. */
function samplePath(template: string, sample: string): string {
  return template.replaceAll(/\{[^{}/\\?#]*\}/g, sample)
}
