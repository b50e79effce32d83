/** The operations of an upstream's own document that listed routes sell. */

import type { ListedRoute } from './listing.ts'
import { withComponents } from './own-components.ts'
import { isTable } from './own-parts.ts'
import { documentPaths } from './own-paths.ts'
import { METHODS, pathItemOf } from './path-item.ts'

type Json = Record<string, unknown>

/** Where at the gateway an operation is sold. */
export interface Place {
  /** Its path there, in the form of OpenAPI. */
  readonly path: string
  /** `hidden`: one that no document may tell of. */
  readonly route: ListedRoute | 'hidden'
}

/** An upstream's own document, and where its operations are. */
export interface OwnDocument {
  readonly document: Json
  /** Where one of its paths, below that of a server, is; `undefined` where no route takes it. */
  readonly placeOf: (method: string, path: string) => Place | undefined
}

/** What of the document is listed. */
export interface OwnOperations {
  /** By path at the gateway, without terms of sale. */
  readonly paths: Record<string, Json>
  /** What sells them, by method in lower case and path: `get /now`. */
  readonly routes: ReadonlyMap<string, ListedRoute>
  readonly components: Json
}

/** Finds them, with what they refer to. */
export function ownOperations({ document, placeOf }: OwnDocument): OwnOperations {
  const paths: Record<string, Json> = {}
  const routes = new Map<string, ListedRoute>()
  const ids = new Set<unknown>()
  const all = isTable(document['paths']) ? document['paths'] : {}
  for (const path of Object.keys(all)) {
    const { operations, rest: shared, servers } = pathItemOf(document, path)
    for (const [key, operation] of Object.entries(operations)) {
      const levels = [operation['servers'], servers, document['servers']]
      const places = documentPaths(path, levels).flatMap((at) => placeOf(key.toUpperCase(), at) ?? [])
      const [place] = places
      // Which of several servers is the gateway's nobody knows: what is hidden below one of them is hidden.
      if (place === undefined || place.route === 'hidden' || places.some(({ route }) => route === 'hidden'))
        continue
      const item = paths[place.path] ?? shared
      // What two of its paths come to is told once.
      if (key in item) continue
      paths[place.path] = { ...item, [key]: withoutForeign(operation, document, place.route) }
      routes.set(`${key} ${place.path}`, place.route)
      ids.add(operation['operationId'])
    }
  }
  return { routes, ...withComponents({ components: document['components'], ids, paths }) }
}

/**
 * An operation without the upstream's servers: requests go to the gateway alone, and where the upstream stands is nobody's
 * business. Nor does it stand in what extensions (`x-…`) tell other gateways, and prices are this one's alone. Callbacks hold
 * operations that nothing sells.
 */
function withoutForeign(operation: Json, document: Json, { free }: ListedRoute): Json {
  // What the document asks of all its operations, the free ones are still asked.
  const { servers: _, callbacks: __, security = document['security'], ...rest } = operation
  const kept = Object.entries(rest).filter(([key]) => !key.startsWith('x-'))
  return { ...Object.fromEntries(kept), ...(free && security !== undefined ? { security } : {}) }
}

/** The operations of these paths. */
export function operationsOf(item: Json): readonly (readonly [string, Json])[] {
  return METHODS.flatMap((method) => {
    const operation = item[method]
    return isTable(operation) ? [[method, operation] as const] : []
  })
}
