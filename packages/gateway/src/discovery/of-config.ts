/** The documents of a configuration. */

import { compileRoutes } from '@turnpike/l402/server'
import type { Config, ServiceConfig } from '../config/config.ts'
import { routeSpec } from '../config/match.ts'
import { createDocuments, type Documents } from './documents.ts'
import { type ListedRoute, listServices } from './listing.ts'
import type { OwnDocument } from './openapi.ts'

/** The documents about services that share their hosts; `undefined` where there are none. */
export function documentsOf(
  { discovery, paymentScheme, sessions }: Pick<Config, 'discovery' | 'paymentScheme' | 'sessions'>,
  services: readonly ServiceConfig[],
): Documents | undefined {
  if (discovery === undefined) return undefined
  const listed = listServices(services, sessions)
  return createDocuments({
    services: listed,
    titles: discovery,
    payment: paymentScheme !== 'off',
    own: ownOf(
      services,
      listed.flatMap((service) => service.routes),
    ),
  })
}

function ownOf(services: readonly ServiceConfig[], listed: readonly ListedRoute[]): OwnDocument | undefined {
  const document = services.find(({ openapi, hidden }) => openapi !== undefined && !hidden)?.openapi
  if (document === undefined) return undefined
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
  return { document, routeOf: (method, path) => table.match(method, samplePath(path))?.value }
}

/** A path that the template stands for: `/users/{id}` as `/users/x`. */
function samplePath(template: string): string {
  return template.replaceAll(/\{[^{}]*\}/g, 'x')
}
