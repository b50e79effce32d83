/** The documents of a configuration. */

import type { Network } from '@turnpike/l402/lightning'
import { carriesPayment, compileRoutes } from '@turnpike/l402/server'
import type { Config, ServiceConfig } from '../config/config.ts'
import { routeSpec } from '../config/match.ts'
import { createDocuments, type Documents } from './documents.ts'
import { type ListedRoute, listServices } from './listing.ts'
import type { OwnDocument } from './openapi.ts'

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
    own: ownOf(
      services,
      listed.flatMap((service) => service.routes),
    ),
  })
}

function ownOf(services: readonly ServiceConfig[], listed: readonly ListedRoute[]): OwnDocument | undefined {
  const owner = services.find(({ openapi, hidden }) => openapi !== undefined && !hidden)
  if (owner?.openapi === undefined) return undefined
  const { openapi: document, upstreams, rewritePrefix } = owner
  // As requests are matched: a hidden route that comes first hides what a later one would sell.
  const table = compileRoutes(
    services.flatMap((service) =>
      service.routes.map((route) =>
        routeSpec(
          route,
          listed.find(({ service: of, match }) => of === service.name && match === route.match),
        ),
      ),
    ),
  )
  return {
    document,
    routeOf: (method, path) => table.match(method, samplePath(path))?.value,
    basePath: pathOf(upstreams[0]) + rewritePrefix,
  }
}

/** The path of an upstream's address; empty for none. */
function pathOf(upstream: string | undefined): string {
  return upstream !== undefined && URL.canParse(upstream)
    ? new URL(upstream).pathname.replace(/\/+$/, '')
    : ''
}

/** A path that the template stands for: `/users/{id}` as `/users/x`. */
function samplePath(template: string): string {
  return template.replaceAll(/\{[^{}]*\}/g, 'x')
}
